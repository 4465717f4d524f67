"""Limits for the code of one thread."""

MEGABYTE = 1024 * 1024

WALL_SECONDS = 30  # for one call
CPU_SECONDS = 300  # for the life of a kernel
MEMORY_BYTES = 2048 * MEGABYTE  # of address space, for each process
FILE_BYTES = 64 * MEGABYTE  # for each file that code writes
PROCESSES = 64  # including threads; an idle kernel has about a dozen
# Without bwrap, all processes of the user count, including those of other kernels.
PROCESSES_BESIDE_OTHERS = 256
OPEN_FILES = 512  # for each process
TEMPORARY_BYTES = 64 * MEGABYTE  # in memory, for each of /tmp and /dev/shm in the sandbox
FOLDER_BYTES = 1024 * MEGABYTE  # on the disk, for each of a thread's working and scratch folders
FOLDER_ENTRIES = 10_000  # files and folders in it
FOLDER_DEPTH = 32  # levels of nested folders
KEPT_FILES = 20  # files that one call may add to the API
KEPT_BYTES = 128 * MEGABYTE  # for the files that one call adds
THREAD_BYTES = 1024 * MEGABYTE  # for the files that all calls of one thread add
MESSAGE_BYTES = 8 * MEGABYTE  # for one message of a kernel: a text, or a figure in base64
OUTPUT_BYTES = 32 * MEGABYTE  # for all messages of one call; then it is interrupted
OUTPUT_CHARACTERS = 20_000  # of text that are kept of one call
IMAGES = 20  # figures that are kept of one call
IDLE_SECONDS = 600  # after which an unused kernel is stopped
