//! Reads files of keys, certificates and passwords.

use std::fs::{Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use zeroize::Zeroizing;

/// Distinguishes versions of a file's content without reading it; all zero if there is no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// That of what is at this path now.
    pub fn at(path: &Path) -> Self {
        std::fs::metadata(path).map_or_else(|_| Stamp::default(), |file| Stamp::of(&file))
    }

    /// That of a file with these metadata.
    pub fn of(file: &Metadata) -> Self {
        Stamp {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

/// Why a file can't be read. The text is for the log, without the path.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It does not exist, or the system refuses it.
    #[error("{0}")]
    Read(io::Error),
    /// A directory, a device or a pipe.
    #[error("not a regular file")]
    NotAFile,
    /// It is longer than this many bytes, which is the limit.
    #[error("longer than {0} bytes")]
    TooLarge(usize),
}

/// The content of a regular file of at most `most` bytes, and the stamp of what was read.
///
/// # Errors
/// Fails with [`FileError`] if there is no such file.
pub fn read(path: &Path, most: usize) -> Result<(Stamp, Zeroizing<Vec<u8>>), FileError> {
    let check = |file: Metadata| match file {
        file if !file.is_file() => Err(FileError::NotAFile),
        file if file.len() > most as u64 => Err(FileError::TooLarge(most)),
        file => Ok(file),
    };
    // To open a device may do something.
    check(std::fs::metadata(path).map_err(FileError::Read)?)?;
    // If it has just become a pipe, do not block until someone writes to it.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .map_err(FileError::Read)?;
    let metadata = check(file.metadata().map_err(FileError::Read)?)?;
    let size = usize::try_from(metadata.len()).unwrap_or(most).min(most);
    // Allocated at once, so that no growing buffer leaves a copy of a secret behind.
    let mut content = Zeroizing::new(Vec::with_capacity(size + 64));
    file.take(most as u64 + 1)
        .read_to_end(&mut content)
        .map_err(FileError::Read)?;
    match content.len() <= most {
        true => Ok((Stamp::of(&metadata), content)),
        false => Err(FileError::TooLarge(most)),
    }
}
