/*
 * Functions that a newer glibc exports and an older one does not: without them the module would not
 * load on any system older than the one it was linked on. See link_for_older_glibc in build.rs.
 *
 * Up to 2.32, stat and similar functions were inline functions in the C headers, so nothing that is
 * linked on 2.33 finds them there. Those here call the kernel, whose struct stat is that of the C
 * library on these processors.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__GLIBC__) && (defined(__x86_64__) || defined(__aarch64__))

/* Under names of our own, so that no header's declaration gets in the way. */
int aw_stat(const char *path, void *buffer) __asm__("stat");
int aw_stat64(const char *path, void *buffer) __asm__("stat64");
int aw_lstat64(const char *path, void *buffer) __asm__("lstat64");
int aw_fstat(int fd, void *buffer) __asm__("fstat");
int aw_fstat64(int fd, void *buffer) __asm__("fstat64");
int aw_fstatat64(int fd, const char *path, void *buffer, int flags) __asm__("fstatat64");

int aw_stat(const char *path, void *buffer)
{
	return (int)syscall(SYS_newfstatat, AT_FDCWD, path, buffer, 0);
}

int aw_stat64(const char *path, void *buffer)
{
	return (int)syscall(SYS_newfstatat, AT_FDCWD, path, buffer, 0);
}

int aw_lstat64(const char *path, void *buffer)
{
	return (int)syscall(SYS_newfstatat, AT_FDCWD, path, buffer, AT_SYMLINK_NOFOLLOW);
}

int aw_fstat(int fd, void *buffer)
{
	return (int)syscall(SYS_fstat, fd, buffer);
}

int aw_fstat64(int fd, void *buffer)
{
	return (int)syscall(SYS_fstat, fd, buffer);
}

int aw_fstatat64(int fd, const char *path, void *buffer, int flags)
{
	return (int)syscall(SYS_newfstatat, fd, path, buffer, flags);
}

#endif
