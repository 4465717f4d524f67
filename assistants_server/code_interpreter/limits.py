"""How much the code of one thread may use."""

MEGABYTE = 1024 * 1024

WALL_SECONDS = 30  # for one call
CPU_SECONDS = 300  # for the life of a kernel
MEMORY_BYTES = 2048 * MEGABYTE  # of address space, for each process
FILE_BYTES = 64 * MEGABYTE  # for each file
PROCESSES = 64  # threads count, and a bare kernel has about a dozen
OUTPUT_CHARACTERS = 20_000  # of one call are kept
OUTPUT_BYTES = 4 * MEGABYTE  # of one call are read before it is interrupted
IDLE_SECONDS = 600  # after which a kernel is closed
