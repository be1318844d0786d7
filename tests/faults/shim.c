/* Records the changes below a folder, and lets one of them fail.
 *
 * Loaded by LD_PRELOAD, so it sees the calls of Python, TensorFlow, SQLite, Arrow and all other libraries. A change is
 * named by its kind and by its path below the folder, in which numbers are replaced: the ids of executions and the
 * names of temporary files differ from run to run. The n-th change of that name is the same in every run, whatever the
 * other threads do.
 *
 * bv_arm starts the recording in this process and its forks; programs that they start find the settings in the
 * environment. The counters and the log are shared by all of them.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define NAMES 8192 /* More than any run of the harness needs. A run that needs more aborts. */
#define LENGTH 512

struct entry {
  atomic_uint_fast64_t hash;
  atomic_uint_fast32_t count;
};

struct shared {
  struct entry entries[NAMES];
  atomic_int fired;
};

static char root[PATH_MAX];
static size_t root_length;
static char wanted[LENGTH]; /* "KIND PATH" of the change that fails; empty: only record */
static unsigned wanted_nth;
static char fault[16]; /* kill, torn, ENOSPC, EIO */
static unsigned part;  /* thousandths of a write that arrive before the crash, if it is torn */
static int log_descriptor = -1;
static struct shared *shared;
static int lasts; /* A full disk stays full: once the fault has fired, all later changes that need space fail too. */

static long own(long number, long a, long b, long c, long d, long e) { return syscall(number, a, b, c, d, e); }

void bv_arm(const char *folder, const char *state, const char *record, const char *name, unsigned nth,
            const char *kind, unsigned thousandths) {
  int descriptor = own(SYS_openat, AT_FDCWD, (long)state, O_RDWR | O_CREAT | O_CLOEXEC, 0644, 0);
  if (descriptor < 0 || ftruncate(descriptor, sizeof(struct shared)) < 0) abort();
  void *memory = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (memory == MAP_FAILED) abort();
  own(SYS_close, descriptor, 0, 0, 0, 0);
  /* Above the descriptors that programs close in a loop when they start children. */
  int low = own(SYS_openat, AT_FDCWD, (long)record, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644, 0);
  log_descriptor = own(SYS_fcntl, low, F_DUPFD_CLOEXEC, 500, 0, 0);
  own(SYS_close, low, 0, 0, 0, 0);
  snprintf(wanted, sizeof wanted, "%s", name);
  snprintf(fault, sizeof fault, "%s", kind);
  wanted_nth = nth;
  part = thousandths;
  lasts = !strcmp(kind, "ENOSPC");
  snprintf(root, sizeof root, "%s", folder);
  root_length = strlen(root);
  shared = memory;
}

void bv_disarm(void) { shared = NULL; }

__attribute__((constructor)) static void start(void) {
  const char *settings = getenv("BIGVOCAB_FAULTS");
  if (!settings || !*settings) return;
  char copy[4 * PATH_MAX], *field[7], *rest = copy;
  snprintf(copy, sizeof copy, "%s", settings);
  for (int i = 0; i < 7; i++)
    if (!(field[i] = strsep(&rest, "|"))) return;
  bv_arm(field[0], field[1], field[2], field[3], atoi(field[4]), field[5], atoi(field[6]));
}

/* Writes KIND and the path below the folder, with numbers replaced, into name. Returns 0 for a path elsewhere. */
static int named(const char *kind, const char *path, char *name) {
  if (!shared || strncmp(path, root, root_length) || (path[root_length] != '/' && path[root_length])) return 0;
  char *to = name + sprintf(name, "%s ", kind), *end = name + LENGTH - 1;
  for (const char *from = path + root_length + !!path[root_length]; *from && to < end;) {
    size_t digits = 0, hexadecimal = 0;
    while (isdigit((unsigned char)from[digits])) digits++;
    while (isxdigit((unsigned char)from[hexadecimal])) hexadecimal++;
    size_t all = hexadecimal >= 8 ? hexadecimal : digits;
    if (!all) {
      *to++ = *from++;
      continue;
    }
    from += all;
    if (to[-1] != '#') *to++ = '#';
  }
  *to = 0;
  /* Random names of the module `tempfile`: eight letters, digits or underscores after "tmp". */
  for (char *found = name; (found = strstr(found, "/tmp"));) {
    char *after = found + 4, *stop = after;
    while (isalnum((unsigned char)*stop) || *stop == '_' || *stop == '#') stop++;
    if (stop > after) {
      *after = '#';
      memmove(after + 1, stop, strlen(stop) + 1);
    }
    found = after;
  }
  return 1;
}

/* Counts a change. Returns its number, from 1. */
static unsigned counted(const char *name) {
  uint64_t hash = 1469598103934665603ULL;
  for (const char *at = name; *at; at++) hash = (hash ^ (unsigned char)*at) * 1099511628211ULL;
  if (!hash) hash = 1;
  for (unsigned i = hash % NAMES, tries = 0; tries < NAMES; i = (i + 1) % NAMES, tries++) {
    uint_fast64_t found = 0;
    if (atomic_compare_exchange_strong(&shared->entries[i].hash, &found, hash) || found == hash)
      return atomic_fetch_add(&shared->entries[i].count, 1) + 1;
  }
  abort();
}

static void note(const char *mark, const char *name, unsigned nth, const char *path, const char *from) {
  char line[LENGTH + 3 * PATH_MAX + 64];
  int length = snprintf(line, sizeof line, "%s\t%s\t%u\t%s\t%s\n", mark, name, nth, path, from);
  own(SYS_write, log_descriptor, (long)line, length, 0, 0); /* One call, so lines of several threads do not mix. */
}

static void crash(void) { own(SYS_kill, 0, SIGKILL, 0, 0, 0); /* the process group */ }

/* A change of this kind needs space: with a full disk, files can still be renamed, synced and deleted. */
static int needs_space(const char *kind) {
  return !strcmp(kind, "write") || !strcmp(kind, "create") || !strcmp(kind, "mkdir") || !strcmp(kind, "link");
}

/* Returns 0: go on. 1: fail with errno. 2: a write is torn; do a part of it, then call crash. */
static int happens(const char *kind, const char *path, const char *from) {
  char name[LENGTH + 64];
  if (!named(kind, path, name)) return 0;
  if (lasts && atomic_load(&shared->fired)) {
    if (!needs_space(kind)) return 0;
    errno = ENOSPC;
    return 1;
  }
  unsigned nth = counted(name);
  if (!*wanted || nth != wanted_nth || strcmp(name, wanted)) {
    note("did", name, nth, path, from);
    return 0;
  }
  note("fault", name, nth, path, from);
  atomic_store(&shared->fired, 1);
  if (!strcmp(fault, "ENOSPC") || !strcmp(fault, "EIO")) {
    errno = lasts ? ENOSPC : EIO;
    return 1;
  }
  if (!strcmp(fault, "torn") && !strcmp(kind, "write")) return 2;
  crash();
  return 1;
}

/* Paths: relative ones are made absolute; "." and ".." do not occur in what BigVocab passes. */
static const char *absolute(int folder, const char *path, char *space) {
  if (path[0] == '/') return path;
  char link[64];
  ssize_t length;
  if (folder == AT_FDCWD) {
    if (own(SYS_getcwd, (long)space, PATH_MAX, 0, 0, 0) < 0) return "";
    length = strlen(space);
  } else {
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    if ((length = own(SYS_readlinkat, AT_FDCWD, (long)link, (long)space, PATH_MAX - 1, 0)) < 0) return "";
  }
  snprintf(space + length, PATH_MAX - length, "/%s", path);
  return space;
}

static int happens_at(const char *kind, int folder, const char *path) {
  char space[2 * PATH_MAX];
  return shared ? happens(kind, absolute(folder, path, space), "") : 0;
}

static int renames(int from_folder, const char *from, int to_folder, const char *to) {
  char space[2 * PATH_MAX], more[2 * PATH_MAX];
  return shared ? happens("rename", absolute(to_folder, to, space), absolute(from_folder, from, more)) : 0;
}

/* Writes the path of an open file. Returns 0 for what is not a file. */
static int path_of(int descriptor, char *path) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = own(SYS_readlinkat, AT_FDCWD, (long)link, (long)path, PATH_MAX - 1, 0);
  if (length <= 0 || path[0] != '/') return 0;
  path[length] = 0;
  return 1;
}

static int happens_to(const char *kind, int descriptor) {
  char path[PATH_MAX];
  if (!shared || descriptor == log_descriptor || !path_of(descriptor, path)) return 0;
  return happens(kind, path, "");
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FORWARD(name) static __typeof__(&name) real; if (!real) real = REAL(name)

/* Writes. A torn one ends the process group after a part of its bytes. */
#define WRITE(whole, some)                                     \
  switch (happens_to("write", descriptor)) {                   \
    case 1: return -1;                                         \
    case 2: some; crash(); return -1;                          \
    default: return whole;                                     \
  }
#define PART ((size_t)((uint64_t)size * part / 1000))

ssize_t write(int descriptor, const void *data, size_t size) {
  FORWARD(write);
  WRITE(real(descriptor, data, size), (void)!real(descriptor, data, PART))
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t at) {
  FORWARD(pwrite);
  WRITE(real(descriptor, data, size, at), (void)!real(descriptor, data, PART, at))
}

ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t at) {
  FORWARD(pwrite64);
  WRITE(real(descriptor, data, size, at), (void)!real(descriptor, data, PART, at))
}

ssize_t writev(int descriptor, const struct iovec *data, int count) {
  FORWARD(writev);
  size_t size = count ? data[0].iov_len : 0;
  WRITE(real(descriptor, data, count), (void)!REAL(write)(descriptor, data[0].iov_base, PART))
}

ssize_t sendfile(int descriptor, int from, off_t *at, size_t size) {
  static ssize_t (*real)(int, int, off_t *, size_t);
  if (!real) real = dlsym(RTLD_NEXT, "sendfile");
  WRITE(real(descriptor, from, at, size), (void)!real(descriptor, from, at, PART))
}

ssize_t sendfile64(int descriptor, int from, off64_t *at, size_t size) {
  static ssize_t (*real)(int, int, off64_t *, size_t);
  if (!real) real = dlsym(RTLD_NEXT, "sendfile64");
  WRITE(real(descriptor, from, at, size), (void)!real(descriptor, from, at, PART))
}

ssize_t copy_file_range(int from, off64_t *at, int descriptor, off64_t *to, size_t size, unsigned flags) {
  FORWARD(copy_file_range);
  WRITE(real(from, at, descriptor, to, size, flags), (void)!real(from, at, descriptor, to, PART, flags))
}

/* The C library writes the buffers of its streams without the function `write`: TensorFlow's files are streams. */
size_t fwrite(const void *data, size_t each, size_t number, FILE *stream) {
  FORWARD(fwrite);
  size_t size = each * number;
  int descriptor = fileno(stream);
  if (!shared || descriptor < 3) return real(data, each, number, stream);
  switch (happens_to("write", descriptor)) {
    case 1: return 0;
    case 2:
      fflush(stream);
      (void)!REAL(write)(descriptor, data, PART);
      crash();
      return 0;
    default: return real(data, each, number, stream);
  }
}

/* Contents on the disk. The start and the duration of each sync are recorded too, in microseconds. */
static int timed(int (*real)(int), int descriptor) {
  struct timespec before, after;
  clock_gettime(CLOCK_MONOTONIC, &before);
  int result = real(descriptor);
  clock_gettime(CLOCK_MONOTONIC, &after);
  char path[PATH_MAX], name[LENGTH + 64];
  if (shared && path_of(descriptor, path) && named("took", path, name)) {
    long microseconds = (after.tv_sec - before.tv_sec) * 1000000 + (after.tv_nsec - before.tv_nsec) / 1000;
    char start[32];
    snprintf(start, sizeof start, "%ld", before.tv_sec * 1000000 + before.tv_nsec / 1000);
    note("took", name, microseconds, path, start);
  }
  return result;
}

int fsync(int descriptor) {
  FORWARD(fsync);
  return happens_to("sync", descriptor) ? -1 : timed(real, descriptor);
}

int fdatasync(int descriptor) {
  FORWARD(fdatasync);
  return happens_to("sync", descriptor) ? -1 : timed(real, descriptor);
}

int ftruncate(int descriptor, off_t size) {
  FORWARD(ftruncate);
  return happens_to("truncate", descriptor) ? -1 : real(descriptor, size);
}

int ftruncate64(int descriptor, off64_t size) {
  FORWARD(ftruncate64);
  return happens_to("truncate", descriptor) ? -1 : real(descriptor, size);
}

/* Names. A rename is named after its target. */
int rename(const char *from, const char *to) {
  FORWARD(rename);
  return renames(AT_FDCWD, from, AT_FDCWD, to) ? -1 : real(from, to);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to) {
  FORWARD(renameat);
  return renames(from_folder, from, to_folder, to) ? -1 : real(from_folder, from, to_folder, to);
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
  FORWARD(renameat2);
  return renames(from_folder, from, to_folder, to) ? -1 : real(from_folder, from, to_folder, to, flags);
}

int link(const char *from, const char *to) {
  FORWARD(link);
  return happens_at("link", AT_FDCWD, to) ? -1 : real(from, to);
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
  FORWARD(linkat);
  return happens_at("link", to_folder, to) ? -1 : real(from_folder, from, to_folder, to, flags);
}

int symlink(const char *from, const char *to) {
  FORWARD(symlink);
  return happens_at("link", AT_FDCWD, to) ? -1 : real(from, to);
}

int symlinkat(const char *from, int folder, const char *to) {
  FORWARD(symlinkat);
  return happens_at("link", folder, to) ? -1 : real(from, folder, to);
}

int mkdir(const char *path, mode_t mode) {
  FORWARD(mkdir);
  return happens_at("mkdir", AT_FDCWD, path) ? -1 : real(path, mode);
}

int mkdirat(int folder, const char *path, mode_t mode) {
  FORWARD(mkdirat);
  return happens_at("mkdir", folder, path) ? -1 : real(folder, path, mode);
}

int unlink(const char *path) {
  FORWARD(unlink);
  return happens_at("unlink", AT_FDCWD, path) ? -1 : real(path);
}

int unlinkat(int folder, const char *path, int flags) {
  FORWARD(unlinkat);
  return happens_at("unlink", folder, path) ? -1 : real(folder, path, flags);
}

int rmdir(const char *path) {
  FORWARD(rmdir);
  return happens_at("unlink", AT_FDCWD, path) ? -1 : real(path);
}

/* Files that are opened to be created or emptied. */
#define MODE                                    \
  mode_t mode = 0;                              \
  if (flags & (O_CREAT | O_TMPFILE)) {          \
    va_list more;                               \
    va_start(more, flags);                      \
    mode = va_arg(more, mode_t);                \
    va_end(more);                               \
  }
#define CREATES ((flags & O_CREAT) || ((flags & O_TRUNC) && (flags & O_ACCMODE) != O_RDONLY))

int open(const char *path, int flags, ...) {
  MODE FORWARD(open);
  return CREATES && happens_at("create", AT_FDCWD, path) ? -1 : real(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  MODE FORWARD(open64);
  return CREATES && happens_at("create", AT_FDCWD, path) ? -1 : real(path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...) {
  MODE FORWARD(openat);
  return CREATES && happens_at("create", folder, path) ? -1 : real(folder, path, flags, mode);
}

int openat64(int folder, const char *path, int flags, ...) {
  MODE FORWARD(openat64);
  return CREATES && happens_at("create", folder, path) ? -1 : real(folder, path, flags, mode);
}

FILE *fopen(const char *path, const char *mode) {
  FORWARD(fopen);
  return mode[0] != 'r' && happens_at("create", AT_FDCWD, path) ? NULL : real(path, mode);
}

FILE *fopen64(const char *path, const char *mode) {
  FORWARD(fopen64);
  return mode[0] != 'r' && happens_at("create", AT_FDCWD, path) ? NULL : real(path, mode);
}
