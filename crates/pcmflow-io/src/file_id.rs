//! Which file a name leads to: two names, or a name and a standard stream, may lead to one.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

/// The file that a name leads to, or would create: a regular file or a named pipe. Devices such as `/dev/null` are nobody's, and have
/// none.
///
/// ```
/// use pcmflow_io::FileId;
/// let folder = std::env::temp_dir();
/// assert_eq!(FileId::of(folder.join("not-there.wav")), FileId::of(folder.join(".").join("not-there.wav")));
/// assert_ne!(FileId::of(folder.join("not-there.wav")), FileId::of(folder.join("nor-that.wav")));
/// assert_eq!(FileId::of(folder), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileId(Id);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Id {
    #[cfg(unix)]
    Inode { device: u64, number: u64 },
    /// Resolved, as far as it is there.
    Path(PathBuf),
}

impl FileId {
    /// What this name leads to.
    ///
    /// Not RT-safe: makes system calls.
    pub fn of(path: impl AsRef<Path>) -> Option<Self> {
        let path = path.as_ref();
        match path.metadata() {
            Ok(found) if !is_file_or_pipe(&found) => None,
            Ok(found) => Some(Self(known(&found, path))),
            // What is not there yet is told apart by the folder that it will be in.
            Err(_) => {
                let folder =
                    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
                let there = folder.canonicalize().ok().zip(path.file_name()).map(|(to, name)| to.join(name));
                Some(Self(Id::Path(there.unwrap_or_else(|| path.to_owned()))))
            }
        }
    }

    /// The file or pipe that standard input is, where the system tells.
    ///
    /// Not RT-safe: makes system calls.
    pub fn of_standard_input() -> Option<Self> {
        #[cfg(unix)]
        return of_stream(&std::io::stdin());
        #[cfg(not(unix))]
        None
    }

    /// The file or pipe that standard output is, where the system tells.
    ///
    /// Not RT-safe: makes system calls.
    pub fn of_standard_output() -> Option<Self> {
        #[cfg(unix)]
        return of_stream(&std::io::stdout());
        #[cfg(not(unix))]
        None
    }
}

/// Whether both names lead to one file.
///
/// Not RT-safe: makes system calls.
pub fn is_same_file(one: impl AsRef<Path>, other: impl AsRef<Path>) -> bool {
    FileId::of(one).is_some_and(|id| FileId::of(other) == Some(id))
}

#[cfg(unix)]
fn of_stream(stream: &impl std::os::fd::AsFd) -> Option<FileId> {
    let found = std::fs::File::from(stream.as_fd().try_clone_to_owned().ok()?).metadata().ok()?;
    is_file_or_pipe(&found).then(|| FileId(known(&found, Path::new(""))))
}

#[cfg(unix)]
fn known(found: &Metadata, _: &Path) -> Id {
    use std::os::unix::fs::MetadataExt;
    Id::Inode { device: found.dev(), number: found.ino() }
}

#[cfg(not(unix))]
fn known(_: &Metadata, path: &Path) -> Id {
    Id::Path(path.canonicalize().unwrap_or_else(|_| path.to_owned()))
}

fn is_file_or_pipe(found: &Metadata) -> bool {
    found.is_file() || is_fifo(found)
}

/// Whether this is a named pipe, whose opening waits for the other end, and in which nothing can be gone back to.
///
/// Not RT-safe: makes a system call.
pub fn is_pipe(path: impl AsRef<Path>) -> bool {
    path.as_ref().metadata().is_ok_and(|found| is_fifo(&found))
}

#[cfg(unix)]
fn is_fifo(found: &Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&found.file_type())
}

#[cfg(not(unix))]
fn is_fifo(_: &Metadata) -> bool {
    false
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_one_file_and_devices_to_none() {
        let folder = std::env::temp_dir().join(format!("pcmflow-file-id-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let [file, hard, soft, other] = ["file", "hard", "soft", "other"].map(|name| folder.join(name));
        std::fs::write(&file, "a").unwrap();
        std::fs::write(&other, "a").unwrap();
        std::fs::hard_link(&file, &hard).unwrap();
        std::os::unix::fs::symlink("file", &soft).unwrap();
        assert!(is_same_file(&file, &hard) && is_same_file(&soft, &hard) && !is_same_file(&file, &other));
        assert!(!is_same_file("/dev/null", "/dev/null"));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
