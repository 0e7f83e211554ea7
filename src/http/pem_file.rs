//! Reads files of certificates, keys and passwords.

use std::fs::{Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use zeroize::Zeroizing;

/// The longest such file, in bytes. The authorities that a system trusts take a quarter of that.
pub(super) const MAX_PEM: usize = 1024 * 1024;

/// Distinguishes versions of a file's content without reading it; all zero if there is no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// That of what is at this path now.
    pub(super) fn at(path: &Path) -> Self {
        std::fs::metadata(path).map_or_else(|_| Stamp::default(), |file| Stamp::of(&file))
    }

    fn of(file: &Metadata) -> Self {
        Stamp {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

/// The content of a regular file of at most [`MAX_PEM`] bytes. The error is for the log, without the
/// path.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let failed = |error: io::Error| error.to_string();
    // Nobody waits for the other end of a pipe.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err("not a regular file".to_owned());
    }
    let size = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    // Allocated at once, so that no growing buffer leaves a copy of a secret behind.
    let mut content = Zeroizing::new(Vec::with_capacity(size.min(MAX_PEM) + 64));
    file.take(MAX_PEM as u64 + 1)
        .read_to_end(&mut content)
        .map_err(failed)?;
    match content.len() <= MAX_PEM {
        true => Ok(content),
        false => Err(format!("longer than {MAX_PEM} bytes")),
    }
}
