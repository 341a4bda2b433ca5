//! The disks of a run: a source that is only read, and a scratch disk that is written and checked.

use std::cmp::Reverse;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::pattern;
use crate::toolchain;
use crate::workspace::{self, shown};

/// How much is read at a time.
const CHUNK: usize = 1 << 20;

/// The size of a scratch disk, unless another is asked for.
pub(crate) const SCRATCH: usize = 4 << 20;

/// What the image writes of it; the rest must stay as it was.
pub(crate) const WRITTEN: usize = SCRATCH - (64 << 10);

/// A file that an image reads as a disk.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) length: u64,
    /// The SHA-256 of all of its bytes, in lower-case hexadecimal.
    pub(crate) hash: String,
}

impl Source {
    /// Reads all of `path`, which is not changed then or later.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let absolute =
            fs::canonicalize(path).with_context(|| format!("cannot read {}", path.display()))?;
        let kind =
            fs::metadata(&absolute).with_context(|| format!("cannot read {}", path.display()))?;
        ensure!(kind.is_file(), "{} is not a regular file", path.display());
        ensure!(
            absolute.to_str().is_some(),
            "{}: the emulator's options are UTF-8, this name is not",
            path.display()
        );
        ensure!(
            kind.len() > 0,
            "{} is empty: a disk has at least one byte",
            path.display()
        );

        let file =
            File::open(&absolute).with_context(|| format!("cannot read {}", path.display()))?;
        let (length, hash) =
            digest(file).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self {
            path: absolute,
            length,
            hash,
        })
    }

    /// Whether the file is still what it was.
    pub(crate) fn is_unchanged(&self) -> Result<bool> {
        let now = Self::open(&self.path)?;
        Ok((now.length, now.hash) == (self.length, self.hash.clone()))
    }
}

/// The length and the SHA-256 of what `input` gives.
fn digest(mut input: impl Read) -> io::Result<(u64, String)> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    let mut length = 0;
    loop {
        let count = input.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
        length += count as u64;
    }
    Ok((
        length,
        hash.finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    ))
}

/// Writes a disk of exactly `length` bytes to `name`, from what the workspace's own builds have left.
///
/// Which files those are is fixed: the largest first, and of equals the first by name. Says what it took.
pub(crate) fn from_build(name: &str, length: u64) -> Result<(PathBuf, String)> {
    let path = workspace::output("disks")?.join(name);
    let mut disk =
        File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;

    let mut left = length;
    let mut taken = Vec::new();
    for file in built_files()? {
        let input = File::open(&file).with_context(|| format!("cannot read {}", file.display()))?;
        left -= io::copy(&mut input.take(left), &mut disk)?;
        taken.push(
            file.file_name()
                .map(OsStr::to_string_lossy)
                .unwrap_or_default()
                .into_owned(),
        );
        if left == 0 {
            let files = taken.join(", ");
            return Ok((
                path.clone(),
                format!("{}: the first {length} bytes of {files}", shown(&path)),
            ));
        }
    }
    bail!(
        "the builds left {} bytes, and the disk is to have {length}",
        length - left
    );
}

/// Libraries that cargo built for other targets and for the host, and this program, the largest first.
fn built_files() -> Result<Vec<PathBuf>> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut files = workspace::files_below(&toolchain::directory(), "rlib")?;
    files.extend(workspace::files_below(
        &program.with_file_name("deps"),
        "rlib",
    )?);
    files.push(program);

    let mut sized = Vec::new();
    for file in files {
        let length = fs::metadata(&file)
            .with_context(|| format!("cannot read {}", file.display()))?
            .len();
        sized.push((Reverse(length), file));
    }
    sized.sort();
    Ok(sized.into_iter().map(|(_, file)| file).collect())
}

/// Writes a disk of `length` bytes, a multiple of 8, to `name`: the pattern from the `first` word on.
pub(crate) fn from_pattern(name: &str, first: u64, length: u64) -> Result<Source> {
    let path = workspace::output("disks")?.join(name);
    let words = (first..first + length / 8).map(pattern::word);
    let bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    Source::open(&path)
}

/// A scratch disk, which is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    file: NamedTempFile,
    length: usize,
}

impl Scratch {
    /// A disk of the usual size on which every byte is [`pattern::UNTOUCHED`].
    pub(crate) fn new() -> Result<Self> {
        Self::of(SCRATCH)
    }

    /// The same, of another size.
    pub(crate) fn of(length: usize) -> Result<Self> {
        let mut file = NamedTempFile::with_suffix_in(".scratch", workspace::output("disks")?)
            .context("cannot create a scratch disk")?;
        file.write_all(&vec![pattern::UNTOUCHED; length])
            .context("cannot fill the scratch disk")?;
        Ok(Self { file, length })
    }

    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    /// Whether the first `written` bytes are the pattern and all others are untouched.
    pub(crate) fn check(&self, written: usize) -> Result<()> {
        let disk = fs::read(self.path()).context("cannot read the scratch disk")?;
        ensure!(
            disk.len() == self.length,
            "the scratch disk has {} bytes now",
            disk.len()
        );
        match pattern::first_wrong(&disk, written) {
            None => Ok(()),
            Some(at) => bail!("byte {at:#x} of the scratch disk is {:#04x}", disk[at]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_of_all_bytes_and_no_others() {
        let (length, hash) = digest(&b"abc"[..]).expect("memory can be read");

        assert_eq!(length, 3);
        assert_eq!(
            hash,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn what_cannot_be_a_disk_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let empty = folder.path().join("empty");
        fs::write(&empty, []).expect("it can be written");
        let refused = |path: &Path| Source::open(path).expect_err("it is no disk").to_string();

        assert!(refused(folder.path()).ends_with("is not a regular file"));
        assert!(refused(&empty).ends_with("is empty: a disk has at least one byte"));
        assert!(refused(&folder.path().join("none")).starts_with("cannot read"));
    }

    #[test]
    fn a_change_to_the_source_is_noticed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("disk");
        fs::write(&path, b"before").expect("it can be written");
        let source = Source::open(&path).expect("it is a disk");
        assert!(source.is_unchanged().expect("it can be read"));

        fs::write(&path, b"after!").expect("it can be written");

        assert!(!source.is_unchanged().expect("it can be read"));
    }

    #[test]
    fn a_disk_of_the_pattern_begins_where_it_is_told() {
        let source = from_pattern("pattern-test.bin", 1, 24).expect("it can be written");
        let disk = fs::read(&source.path).expect("it can be read");

        let word = |index: usize| disk[8 * index..][..8].try_into().map(u64::from_le_bytes);
        assert_eq!(disk.len(), 24);
        assert_eq!(
            [0, 1, 2].map(|index| word(index).expect("eight bytes")),
            [1, 2, 3].map(pattern::word)
        );
    }

    #[test]
    fn a_scratch_disk_nobody_wrote_to_is_wrong_from_its_first_byte() {
        let scratch = Scratch::new().expect("a scratch disk");

        let error = scratch
            .check(WRITTEN)
            .expect_err("nothing was written")
            .to_string();

        assert_eq!(error, "byte 0x0 of the scratch disk is 0xa5");
    }
}
