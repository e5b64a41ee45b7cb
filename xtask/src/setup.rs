//! Checks that what the tiers need is there, gets what can be got without asking, and prints the one command for
//! the rest.
//!
//! The quick tier needs stable Rust with rustfmt and clippy, and a C linker; nothing else. The deep tier also needs
//! a nightly toolchain (sanitizers, fuzzing), cargo-fuzz with a C++ compiler, and LLVM's coverage tools of the
//! compiler's own LLVM version; and what the browser's part is built and tested with: a compiler that builds the standard library for wasm
//! with threads, Node.js with npm, and Chromium. The benches need GStreamer's tools, beside which the engine is measured.

use crate::llvm;
use crate::options::Options;
use crate::steps::{cargo, cargo_nightly, output, run};
use crate::web::toolchain;
use crate::{Failure, Outcome};
use std::process::Command;

pub(crate) fn chore(arguments: &[String]) -> Outcome {
    let mut options = Options::new(arguments);
    let (proof, bench) = (options.flag("--proof"), options.flag("--bench"));
    options.done()?;
    quick()?;
    if proof {
        deep()?;
    }
    if bench {
        provide(BENCH)?;
    }
    Ok(())
}

/// One thing that is needed: how to see that it is there, and how to come by it when it isn't.
struct Need {
    name: &'static str,
    check: fn() -> Result<String, String>,
    /// Gets it without asking anybody, where that is possible.
    get: Option<fn() -> Result<(), String>>,
    way: &'static str,
}

const QUICK: &[Need] = &[
    Need {
        name: "Rust compiler",
        check: || output(Command::new("rustc").arg("--version")),
        get: None,
        way: "install Rust from https://rustup.rs",
    },
    Need {
        name: "rustfmt",
        check: || output(&mut cargo(&["fmt", "--version"])),
        get: None,
        way: "rustup component add rustfmt",
    },
    Need {
        name: "clippy",
        check: || output(&mut cargo(&["clippy", "--version"])),
        get: None,
        way: "rustup component add clippy",
    },
    Need {
        name: "C linker",
        // Rust links through `cc` everywhere but on Windows, where rustc finds its own.
        check: || {
            if cfg!(windows) {
                Ok("rustc's choice".into())
            } else {
                output(Command::new("cc").arg("--version"))
            }
        },
        get: None,
        way: "install a C compiler (Debian: apt-get install gcc libc6-dev)",
    },
];

const DEEP: &[Need] = &[
    Need {
        name: "nightly toolchain",
        check: || output(&mut cargo_nightly(&["--version"])),
        get: None,
        way: "rustup toolchain install nightly",
    },
    Need {
        name: "C++ compiler",
        check: || output(Command::new("c++").arg("--version")),
        get: None,
        way: "install a C++ compiler (Debian: apt-get install g++)",
    },
    Need {
        name: "cargo-fuzz",
        check: || output(&mut cargo(&["fuzz", "--version"])),
        get: Some(|| run(&mut cargo(&["install", "cargo-fuzz", "--locked"]))),
        way: "cargo install cargo-fuzz --locked",
    },
    Need {
        name: "LLVM coverage tools",
        check: || llvm::Tools::find().map(|tools| tools.version),
        get: Some(llvm::install),
        way: "rustup component add llvm-tools (or the package llvm-N of the LLVM that `rustc -vV` names)",
    },
];

const BENCH: &[Need] = &[Need {
    name: "GStreamer's tools",
    check: || output(Command::new("gst-launch-1.0").arg("--gst-version")),
    // `fakesrc`, `queue` and `fakesink` come with the library that the package needs.
    get: Some(|| run(Command::new("apt-get").args(["install", "--yes", "gstreamer1.0-tools"]))),
    way: "apt-get install gstreamer1.0-tools (as root; elsewhere: whatever brings gst-launch-1.0)",
}];

const WEB: &[Need] = &[
    Need {
        name: "wasm target",
        check: toolchain::plain,
        get: Some(toolchain::install_plain),
        way: "rustup target add wasm32-unknown-unknown",
    },
    Need {
        name: "wasm with threads",
        check: || toolchain::Builder::find().map(|builder| builder.name()),
        get: Some(toolchain::install),
        way: toolchain::WAY,
    },
    Need {
        name: "Node.js, 20 or later",
        check: || {
            let version = output(Command::new("node").arg("--version"))?;
            let major = version.trim().trim_start_matches('v').split('.').next().and_then(|n| n.parse().ok());
            if major.is_some_and(|major: u32| major >= 20) { Ok(version) } else { Err(version) }
        },
        get: None,
        way: "install Node.js from https://nodejs.org (or by your system's packages)",
    },
    Need {
        name: "npm",
        check: || output(Command::new("npm").arg("--version")),
        get: None,
        way: "it comes with Node.js (Debian: apt-get install npm)",
    },
];

const BROWSERS: &[Need] = &[Need {
    name: "Chromium",
    check: || output(Command::new(chromium()).arg("--version")),
    get: Some(|| run(Command::new("apt-get").args(["install", "--yes", "chromium"]))),
    way: "apt-get install chromium (as root; or PCMFLOW_CHROMIUM with the path of one that is there)",
}];

/// As the tests find it.
fn chromium() -> std::ffi::OsString {
    std::env::var_os("PCMFLOW_CHROMIUM").unwrap_or_else(|| "/usr/bin/chromium".into())
}

/// What the browser's part is built with.
pub(crate) fn web() -> Result<(), Failure> {
    provide(WEB)
}

/// What the quick tier needs.
pub(crate) fn quick() -> Result<(), Failure> {
    provide(QUICK)
}

/// What the deep tier needs beyond that.
pub(crate) fn deep() -> Result<(), Failure> {
    provide(DEEP)?;
    web()?;
    provide(BROWSERS)
}

/// Checks every need, tries to get the missing ones, and fails naming those that stay missing.
fn provide(needs: &[Need]) -> Result<(), Failure> {
    let mut missing = Vec::new();
    for need in needs {
        let mut found = (need.check)();
        if let (Err(_), Some(get)) = (&found, need.get) {
            println!("setup: {} is missing; getting it: {}", need.name, need.way);
            found = get().and_then(|()| (need.check)());
        }
        match found {
            Ok(version) => println!("setup: {}: {}", need.name, version.lines().next().unwrap_or("").trim()),
            Err(why) => {
                println!("setup: {} is MISSING ({why})\n       to get it: {}", need.name, need.way);
                missing.push(need.name);
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::Failed(format!("missing: {}; the commands to get them stand above", missing.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn what_is_missing_fails_by_name_and_what_can_be_got_is_got() {
        static THERE: AtomicBool = AtomicBool::new(false);
        let gone = Need { name: "a unicorn", check: || Err("not seen".into()), get: None, way: "dream" };
        let got = Need {
            name: "a horse",
            check: || if THERE.load(Ordering::Relaxed) { Ok("1.0".into()) } else { Err("not yet".into()) },
            get: Some(|| {
                THERE.store(true, Ordering::Relaxed);
                Ok(())
            }),
            way: "buy",
        };
        assert!(matches!(provide(&[gone]), Err(Failure::Failed(why)) if why.contains("a unicorn")));
        assert_eq!(provide(&[got]), Ok(()));
    }
}
