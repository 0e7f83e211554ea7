//! Pieces of memory that processes share by name: one writes a piece once, the others map it and
//! only read it.

use std::{
    ffi::{CStr, CString},
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    ptr,
};

/// Prefix of all names. Names of shared memory live in /dev/shm on Linux.
const PREFIX: &str = "auth_web.";

/// A piece of memory that is mapped for reading.
#[derive(Debug)]
pub struct Segment {
    start: *const u8,
    len: usize,
}

// SAFETY: read-only memory that nobody writes to any more.
unsafe impl Send for Segment {}
// SAFETY: as above.
unsafe impl Sync for Segment {}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: our own mapping, unmapped once.
        unsafe { libc::munmap(self.start.cast_mut().cast(), self.len) };
    }
}

impl Segment {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: mapped for as long as self lives, and never written to.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }

    /// Memory without a name, which processes that are forked later inherit.
    ///
    /// # Errors
    /// Fails with the system's error.
    pub fn inherited(bytes: &[u8]) -> io::Result<Self> {
        // SAFETY: the name is a string literal.
        let fd = unsafe { libc::memfd_create(c"auth_web".as_ptr(), libc::MFD_CLOEXEC) };
        let fd = owned(fd)?;
        write(&fd, bytes)?;
        Self::map(&fd)
    }

    /// Maps what [`publish`] made.
    ///
    /// # Errors
    /// Fails with the system's error, and if nothing has that name.
    pub fn open(owner: u64, number: u64) -> io::Result<Self> {
        let name = name(owner, number)?;
        // SAFETY: the name lives through the call.
        let fd = unsafe { libc::shm_open(name.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC, 0) };
        Self::map(&owned(fd)?)
    }

    fn map(fd: &OwnedFd) -> io::Result<Self> {
        // SAFETY: an all-zero stat is a valid one, and fstat only writes to it.
        let len = unsafe {
            let mut stat: libc::stat = std::mem::zeroed();
            check(libc::fstat(fd.as_raw_fd(), &mut stat))?;
            usize::try_from(stat.st_size).unwrap_or(0)
        };
        // SAFETY: a new mapping of the descriptor's whole length.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                len,
                libc::PROT_READ,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Segment {
            start: start.cast(),
            len,
        })
    }
}

/// Writes a piece of memory under a name that only this user may open. A reader finds it whole or
/// not at all, provided that it learns the number afterwards.
///
/// # Errors
/// Fails with the system's error; nothing is left behind then.
pub fn publish(owner: u64, number: u64, bytes: &[u8]) -> io::Result<()> {
    let name = name(owner, number)?;
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_RDWR | libc::O_CLOEXEC;
    // SAFETY: the name lives through the call.
    let fd = owned(unsafe { libc::shm_open(name.as_ptr(), flags, 0o600) })?;
    write(&fd, bytes).inspect_err(|_| unlink_name(&name))
}

/// Removes a name. Processes that have the memory mapped keep it.
pub fn unlink(owner: u64, number: u64) {
    if let Ok(name) = name(owner, number) {
        unlink_name(&name);
    }
}

/// Removes what processes that no longer exist have left behind.
pub fn sweep() {
    for entry in std::fs::read_dir("/dev/shm")
        .into_iter()
        .flatten()
        .flatten()
    {
        let file = entry.file_name();
        let mut parts = file
            .to_str()
            .unwrap_or("")
            .strip_prefix(PREFIX)
            .unwrap_or("")
            .split('.');
        let numbers = (parts.next().map(str::parse), parts.next().map(str::parse));
        if let (Some(Ok(owner)), Some(Ok(number))) = numbers
            && !super::shared::is_alive(owner)
        {
            unlink(owner, number);
        }
    }
}

fn unlink_name(name: &CStr) {
    // SAFETY: the name lives through the call.
    unsafe { libc::shm_unlink(name.as_ptr()) };
}

fn name(owner: u64, number: u64) -> io::Result<CString> {
    CString::new(format!("/{PREFIX}{owner}.{number}")).map_err(io::Error::other)
}

fn owned(fd: libc::c_int) -> io::Result<OwnedFd> {
    check(fd)?;
    // SAFETY: a new descriptor that nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn check(code: libc::c_int) -> io::Result<()> {
    if code < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Reserves the space first: a full file system is an error here, and not a signal to the readers.
fn write(fd: &OwnedFd, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write;
    let len = libc::off_t::try_from(bytes.len()).map_err(io::Error::other)?;
    // SAFETY: takes no pointers.
    match unsafe { libc::posix_fallocate(fd.as_raw_fd(), 0, len.max(1)) } {
        0 => std::fs::File::from(fd.try_clone()?).write_all(bytes),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_can_be_mapped_until_it_is_unlinked() {
        let owner = u64::from(std::process::id());
        publish(owner, 7, b"some bytes").expect("there is room");
        assert!(
            publish(owner, 7, b"others").is_err(),
            "a name is given once"
        );
        let segment = Segment::open(owner, 7).expect("it was published");
        unlink(owner, 7);
        assert_eq!(segment.bytes(), b"some bytes");
        assert!(Segment::open(owner, 7).is_err());
    }

    #[test]
    fn memory_without_a_name_holds_what_it_was_given() {
        let segment = Segment::inherited(b"abc").expect("there is room");
        assert_eq!(segment.bytes(), b"abc");
    }

    #[test]
    fn the_dead_leave_nothing_behind() {
        let child = std::process::Command::new("true")
            .spawn()
            .expect("true is there");
        let owner = u64::from(child.id());
        let _ = child.wait_with_output();
        publish(owner, 1, b"left behind").expect("there is room");
        sweep();
        assert!(Segment::open(owner, 1).is_err());
    }
}
