"""How much the code of one thread may use."""

MEGABYTE = 1024 * 1024

WALL_SECONDS = 30  # for one call
CPU_SECONDS = 300  # for the life of a kernel
MEMORY_BYTES = 2048 * MEGABYTE  # of address space, for each process
FILE_BYTES = 64 * MEGABYTE  # for each file that code writes
PROCESSES = 64  # threads count, and a bare kernel has about a dozen
# Without bwrap the limit counts whatever runs for the user, other kernels included.
PROCESSES_BESIDE_OTHERS = 256
OPEN_FILES = 512  # for each process
TEMPORARY_BYTES = 64 * MEGABYTE  # in memory, for each of /tmp and /dev/shm in the sandbox
FOLDER_BYTES = 1024 * MEGABYTE  # on the disk, for a thread's folder and its kernel's own
FOLDER_ENTRIES = 10_000  # files and folders in it
FOLDER_DEPTH = 32  # folders within folders
KEPT_FILES = 20  # that one call has written become files of the API
KEPT_BYTES = 128 * MEGABYTE  # in them, for one call
THREAD_BYTES = 1024 * MEGABYTE  # in all of them, for one thread
MESSAGE_BYTES = 8 * MEGABYTE  # for one message of a kernel: a text, or a figure in base64
OUTPUT_BYTES = 32 * MEGABYTE  # in all messages of one call, before it is interrupted
OUTPUT_CHARACTERS = 20_000  # of text are kept for one call
IMAGES = 20  # are kept for one call
IDLE_SECONDS = 600  # after which a kernel is closed
