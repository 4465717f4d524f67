"""What the header of a stream of events says, so that each event arrives when it is sent."""

EVENT_STREAM = "text/event-stream"
# nginx, and what is built on it, holds back a stream otherwise.
# https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffering
UNBUFFERED = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
