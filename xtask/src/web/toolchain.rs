//! Who compiles for the browser: the shared build needs a standard library with atomics, which nobody ships.

use crate::steps::{output, root, run};
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) const TARGET: &str = "wasm32-unknown-unknown";
/// Debian's compiler for browsers, and the sources of its library.
const DEBIAN: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_SOURCES: &str = "/usr/lib/rustlib/src/rust/library/Cargo.lock";

/// What builds the shared module, with the standard library from its sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Builder {
    /// rustup's nightly, with `rust-src`.
    Nightly,
    /// Debian's packages, which may use what is not stable once told to.
    Debian {
        /// What links for wasm.
        linker: PathBuf,
    },
}

impl Builder {
    /// The first that is there.
    pub(crate) fn find() -> Result<Self, String> {
        let nightly = output(Command::new("rustup").args(["run", "nightly", "rustc", "--print", "sysroot"]));
        let sources = nightly.as_ref().map(|sysroot| {
            Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/Cargo.lock").exists()
        });
        if sources == Ok(true) {
            return Ok(Self::Nightly);
        }
        let there = [DEBIAN_RUSTC, DEBIAN_CARGO, DEBIAN_SOURCES].iter().all(|path| Path::new(path).exists());
        match (there, linker()) {
            (true, Some(linker)) => Ok(Self::Debian { linker }),
            (true, None) => Err("no linker for wasm: neither rust-lld nor lld-22".into()),
            (false, _) => Err("neither a nightly toolchain with rust-src nor Debian's rustc-web".into()),
        }
    }

    /// What it is called in reports.
    pub(crate) fn name(&self) -> String {
        let version = match self {
            Self::Nightly => output(Command::new("rustup").args(["run", "nightly", "rustc", "--version"])),
            Self::Debian { .. } => output(Command::new(DEBIAN_RUSTC).arg("--version")),
        };
        version.unwrap_or_default().lines().next().unwrap_or_default().to_owned()
    }

    /// Its `cargo`, told to build the standard library too.
    pub(super) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = match self {
            Self::Nightly => {
                let mut command = Command::new("rustup");
                command.args(["run", "nightly", "cargo"]);
                command
            }
            Self::Debian { linker } => {
                let mut command = Command::new(DEBIAN_CARGO);
                command.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
                command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
                command
            }
        };
        // The outer cargo hands its own path down.
        command.env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTDOC");
        command.args(arguments).arg("-Zbuild-std=std,panic_abort").current_dir(root());
        command
    }
}

/// What links for wasm: the installed toolchain's own, or Debian's.
fn linker() -> Option<PathBuf> {
    let compiler = crate::llvm::Compiler::installed().ok()?;
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"])).ok()?;
    let own = PathBuf::from(sysroot.trim()).join("lib/rustlib").join(compiler.host).join("bin/rust-lld");
    [own, "/usr/bin/wasm-ld-22".into()].into_iter().find(|path| path.exists())
}

/// Gets Debian's compiler for browsers, for root; nightly's sources where rustup has them.
pub(crate) fn install() -> Result<(), String> {
    if output(Command::new("rustup").args(["+nightly", "component", "add", "rust-src"])).is_ok()
        && Builder::find() == Ok(Builder::Nightly)
    {
        return Ok(());
    }
    let root = output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !root || output(Command::new("apt-get").arg("--version")).is_err() {
        return Err(format!("as root on Debian: {WAY}"));
    }
    run(Command::new("apt-get").args(["-q", "update"]))?;
    let linker = if linker().is_some() { &[][..] } else { &["lld-22"] };
    run(Command::new("apt-get").args(["-q", "install", "-y"]).args(DEBIAN).args(linker))
}

/// How to come by it.
pub(crate) const WAY: &str = "apt-get install -y rustc-web cargo-web rust-web-src lld-22 (elsewhere: rustup toolchain install nightly --component rust-src --target wasm32-unknown-unknown)";

/// Whether the installed toolchain builds for wasm: what the plain module needs.
pub(crate) fn plain() -> Result<String, String> {
    let libraries = output(Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]))?;
    match Path::new(libraries.trim()).is_dir() {
        true => Ok(TARGET.into()),
        false => Err(format!("the target {TARGET} is not installed")),
    }
}

/// Gets it.
pub(crate) fn install_plain() -> Result<(), String> {
    run(Command::new("rustup").args(["target", "add", TARGET]))
}
