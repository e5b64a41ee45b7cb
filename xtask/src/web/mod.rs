//! `cargo xtask web`: the engine as WebAssembly, in both builds, into `web/dist/`; with `--serve` the page around it, too.
//!
//! `pcmflow.shared.wasm` takes its memory from the host, which shares it between a Worker and an AudioWorklet. `pcmflow.plain.wasm` has
//! its own. Both are checked: what they import and export, that a thread's variables fit the room that the module gives them, and that
//! nothing the audio thread calls can come to what it must not do.

mod calls;
mod module;
pub(crate) mod pages;
pub(crate) mod toolchain;

use crate::options::Options;
use crate::steps::{cargo, line, root, run};
use crate::{Failure, Outcome, setup};
use calls::Calls;
use module::{Expected, Module};
use std::path::PathBuf;
use std::process::Command;
use toolchain::{Builder, TARGET};

/// The host makes the shared build's memory of exactly these, in bytes.
const MEMORY_BYTES: u64 = 4 << 20;
const MEMORY_BYTES_MAX: u64 = 256 << 20;

/// What the worklet needs beside the memory: its own stack and its own variables.
const THREAD_EXPORTS: [&str; 5] =
    ["__wasm_init_tls", "__tls_size", "__tls_align", "__tls_base", "__stack_pointer"];

/// What the audio thread calls in either build.
const AUDIO_EXPORTS: [&str; 2] = ["pcmflow_push", "pcmflow_pushed"];

/// One of the two modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Build {
    Shared,
    Plain,
}

impl Build {
    fn name(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Plain => "plain",
        }
    }

    fn flags(self) -> String {
        if self == Self::Plain {
            return "-Ctarget-feature=+simd128".into();
        }
        let mut flags = String::from(
            "-Ctarget-feature=+atomics,+bulk-memory,+mutable-globals,+simd128 -Clink-arg=--shared-memory -Clink-arg=--import-memory",
        );
        flags += &format!(
            " -Clink-arg=--initial-memory={MEMORY_BYTES} -Clink-arg=--max-memory={MEMORY_BYTES_MAX}"
        );
        for export in THREAD_EXPORTS {
            flags += &format!(" -Clink-arg=--export={export}");
        }
        flags
    }

    /// Apart from each other and from everything native: flags are part of what is built.
    fn target(self) -> PathBuf {
        root().join("target").join(format!("web-{}", self.name()))
    }

    fn command(self, builder: Option<&Builder>) -> Command {
        // `cargo build` would make the crate's `rlib` with it, and cargo optimises across crates only where all that it makes is linked.
        let arguments = [
            "rustc",
            "--quiet",
            "--profile",
            "web",
            "--package",
            "pcmflow-web",
            "--lib",
            "--crate-type",
            "cdylib",
            "--target",
            TARGET,
        ];
        let mut command = match builder {
            Some(builder) => builder.cargo(&arguments),
            None => cargo(&arguments),
        };
        command.env("RUSTFLAGS", self.flags()).env("CARGO_TARGET_DIR", self.target());
        command
    }

    fn expected(self) -> Expected {
        match self {
            Self::Shared => {
                Expected { shared_memory: Some((MEMORY_BYTES, MEMORY_BYTES_MAX)), also: &THREAD_EXPORTS }
            }
            Self::Plain => Expected { shared_memory: None, also: &["memory"] },
        }
    }
}

pub(crate) fn chore(arguments: &[String]) -> Outcome {
    let mut options = Options::new(arguments);
    let (serve, bare) = (options.flag("--serve"), options.flag("--no-isolation"));
    options.done()?;
    if bare && !serve {
        return Err(Failure::Usage("--no-isolation is about how --serve serves; give both".into()));
    }
    setup::web()?;
    build()?;
    if serve { pages::serve(!bare) } else { Ok(()) }
}

/// Both modules.
fn build() -> Result<(), String> {
    let builder = Builder::find()?;
    println!("web: the shared build is compiled by {}", builder.name());
    for (build, builder) in [(Build::Plain, None), (Build::Shared, Some(&builder))] {
        made(build, builder)?;
    }
    Ok(())
}

fn made(build: Build, builder: Option<&Builder>) -> Result<(), String> {
    let mut command = build.command(builder);
    println!("   {}", line(&command));
    run(&mut command)?;
    let built = build.target().join(TARGET).join("web/pcmflow_web.wasm");
    let read = |error: std::io::Error| format!("{}: {error}", built.display());
    let bytes = std::fs::read(&built).map_err(read)?;
    let module = Module::read(&bytes)?;
    module.check(&build.expected())?;
    let calls = Calls::read(&bytes)?;
    for export in AUDIO_EXPORTS {
        let reached = calls.check(export)?;
        println!(
            "web: {export} can come to {reached} functions; none allocates, frees, panics, waits or wakes"
        );
    }
    let folder = root().join("web/dist");
    let to = folder.join(format!("pcmflow.{}.wasm", build.name()));
    let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&to, module.without_names()));
    written.map_err(|error| format!("{}: {error}", to.display()))?;
    // Only for the report: hosts compress by themselves.
    let packed = Command::new("gzip").args(["-9", "-c"]).arg(&to).output();
    let packed = packed.map_or_else(
        |_| "no gzip here".to_owned(),
        |packed| format!("{} bytes gzipped", packed.stdout.len()),
    );
    println!("web: {}: {} bytes, {packed}", to.display(), module.without_names().len());
    Ok(())
}
