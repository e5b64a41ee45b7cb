//! Finds `llvm-profdata` and `llvm-cov` that understand the profiles of the installed compiler.
//!
//! The profile's format belongs to LLVM's major version, so the tools must be of the same one as rustc's.

use crate::steps::{output, run};
use std::path::PathBuf;
use std::process::Command;

/// The two tools.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) profdata: PathBuf,
    pub(crate) cov: PathBuf,
    pub(crate) version: String,
}

/// What `rustc -vV` says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Compiler {
    pub(crate) host: String,
    pub(crate) llvm_major: u32,
}

impl Compiler {
    pub(crate) fn installed() -> Result<Self, String> {
        Self::parse(&output(Command::new("rustc").arg("-vV"))?)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let major = field("LLVM version:").and_then(|version| version.split('.').next()?.parse().ok());
        match (field("host:"), major) {
            (Some(host), Some(llvm_major)) => Ok(Self { host: host.into(), llvm_major }),
            _ => Err("`rustc -vV` names no host or no LLVM version".into()),
        }
    }
}

impl Tools {
    /// Looks into the toolchain itself (rustup's `llvm-tools`), then for `llvm-cov-N`, then for a plain `llvm-cov`.
    pub(crate) fn find() -> Result<Self, String> {
        let Compiler { host, llvm_major } = Compiler::installed()?;
        let sysroot = PathBuf::from(output(Command::new("rustc").args(["--print", "sysroot"]))?.trim());
        let own = sysroot.join("lib/rustlib").join(host).join("bin");
        let candidates = [
            (own.join("llvm-profdata"), own.join("llvm-cov")),
            (format!("llvm-profdata-{llvm_major}").into(), format!("llvm-cov-{llvm_major}").into()),
            ("llvm-profdata".into(), "llvm-cov".into()),
        ];
        for (profdata, cov) in candidates {
            let Ok(text) = output(Command::new(&cov).arg("--version")) else { continue };
            let fits =
                output(Command::new(&profdata).arg("--version")).is_ok() && major(&text) == Some(llvm_major);
            if fits {
                return Ok(Self {
                    profdata,
                    cov,
                    version: format!("LLVM {llvm_major} ({})", own_name(&text)),
                });
            }
        }
        Err(format!("no llvm-profdata and llvm-cov of LLVM {llvm_major}, the compiler's own version"))
    }
}

/// The line of `llvm-cov --version` that holds the version.
fn own_name(text: &str) -> &str {
    text.lines().find(|line| line.contains("LLVM version")).unwrap_or("").trim()
}

fn major(text: &str) -> Option<u32> {
    own_name(text).split("LLVM version").nth(1)?.trim().split('.').next()?.parse().ok()
}

/// Gets the tools: as rustup's component, or, for root on a Debian, as its package.
pub(crate) fn install() -> Result<(), String> {
    let by_rustup = run(Command::new("rustup").args(["component", "add", "llvm-tools"]));
    let Err(why) = by_rustup else { return Ok(()) };
    let package = format!("llvm-{}", Compiler::installed()?.llvm_major);
    let root = output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !root || output(Command::new("apt-get").arg("--version")).is_err() {
        return Err(format!("{why}; as root on Debian: apt-get update && apt-get install -y {package}"));
    }
    println!("setup: installing Debian's {package}");
    run(Command::new("apt-get").args(["-q", "update"]))?;
    run(Command::new("apt-get").args(["-q", "install", "-y", &package]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        let text = "rustc 1.95.0\nhost: x86_64-unknown-linux-gnu\nrelease: 1.95.0\nLLVM version: 22.1.2\n";
        let expected = Compiler { host: "x86_64-unknown-linux-gnu".into(), llvm_major: 22 };
        assert_eq!(Compiler::parse(text), Ok(expected));
        assert!(Compiler::parse("host: a\n").is_err());
        assert_eq!(major("Debian LLVM version 22.1.8\n  Optimized build."), Some(22));
        assert_eq!(major("LLVM (http://llvm.org/):\n  LLVM version 14.0.6\n"), Some(14));
        assert_eq!(major("something else"), None);
    }
}
