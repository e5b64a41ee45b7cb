//! What every test here needs: a program that can't hang, a place for its files, and files to put there.

use serde_json::Value;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Nothing here takes a tenth of this, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A run of the program that is being put together.
pub(crate) struct Run {
    command: Command,
    stdin: Input,
}

enum Input {
    Closed,
    Open,
    Bytes { bytes: Vec<u8>, per_second: Option<usize> },
}

/// The program with these arguments; its standard input is empty unless something is said about it.
pub(crate) fn pcmflow<S: AsRef<str>>(arguments: impl IntoIterator<Item = S>) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pcmflow"));
    for argument in arguments {
        command.arg(argument.as_ref());
    }
    Run { command, stdin: Input::Closed }
}

/// The same, from one line of arguments without spaces in them.
pub(crate) fn line(arguments: &str) -> Run {
    pcmflow(arguments.split_whitespace())
}

impl Run {
    /// One more argument: a path, which may hold spaces.
    pub(crate) fn arg(mut self, argument: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Standard input, all at once.
    pub(crate) fn stdin(self, bytes: Vec<u8>) -> Self {
        Self { stdin: Input::Bytes { bytes, per_second: None }, ..self }
    }

    /// Standard input, a hundredth of a second's worth at a time.
    pub(crate) fn stdin_paced(self, bytes: Vec<u8>, per_second: usize) -> Self {
        Self { stdin: Input::Bytes { bytes, per_second: Some(per_second) }, ..self }
    }

    /// Standard input that stays open: [`Running::child`] has it.
    pub(crate) fn stdin_open(self) -> Self {
        Self { stdin: Input::Open, ..self }
    }

    /// Runs it to its end.
    pub(crate) fn end(self) -> Output {
        let mut running = self.start();
        let out = running.gather_stdout();
        running.end(out)
    }

    /// Starts it; standard output is the caller's to read.
    pub(crate) fn start(mut self) -> Running {
        let shown = format!("{:?}", self.command);
        let stdin = if matches!(self.stdin, Input::Closed) { Stdio::null() } else { Stdio::piped() };
        self.command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().expect("the program starts");
        if let Input::Bytes { bytes, per_second } = self.stdin {
            let pipe = child.stdin.take().unwrap();
            // Detached: the program may close the pipe before it has read everything.
            thread::spawn(move || feed(pipe, &bytes, per_second));
        }
        let err = gather(child.stderr.take().unwrap());
        Running { child, err, shown }
    }
}

fn feed(mut pipe: impl Write, bytes: &[u8], per_second: Option<usize>) {
    let start = Instant::now();
    let piece = per_second.map_or(usize::MAX, |rate| rate / 100).clamp(1, bytes.len().max(1));
    for (n, piece) in bytes.chunks(piece).enumerate() {
        if per_second.is_some() {
            let due = Duration::from_millis(10 * n as u64);
            thread::sleep(due.saturating_sub(start.elapsed()));
        }
        if pipe.write_all(piece).is_err() {
            return;
        }
    }
}

fn gather(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}

/// The program at work. It is killed where a test forgets it.
pub(crate) struct Running {
    pub(crate) child: Child,
    err: JoinHandle<Vec<u8>>,
    shown: String,
}

impl Running {
    /// Reads standard output to its end, on a thread.
    pub(crate) fn gather_stdout(&mut self) -> JoinHandle<Vec<u8>> {
        gather(self.child.stdout.take().unwrap())
    }

    /// Sends Ctrl-C, as a terminal would.
    #[cfg(unix)]
    pub(crate) fn interrupt(&self) {
        let killed = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success(), "{}: can't be sent a signal", self.shown);
    }

    /// Waits for the end, and checks what is true of every run.
    pub(crate) fn end(mut self, out: JoinHandle<Vec<u8>>) -> Output {
        let status = self.wait();
        let out = out.join().unwrap();
        let Running { err, shown, .. } = self;
        let err = String::from_utf8(err.join().unwrap()).expect("messages are UTF-8");
        assert!(!err.contains("panicked"), "{shown}\n{err}");
        let code = status.code().unwrap_or_else(|| panic!("{shown} was killed: {status}\n{err}"));
        Output { code, out, err, shown }
    }

    fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            if start.elapsed() > LIMIT {
                let _ = self.child.kill();
                let _ = self.child.wait();
                panic!("{} hangs", self.shown);
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
    shown: String,
}

impl Output {
    /// Checks the exit code.
    #[track_caller]
    pub(crate) fn code(self, expected: i32) -> Self {
        let out = String::from_utf8_lossy(&self.out[..self.out.len().min(2000)]).into_owned();
        assert_eq!(self.code, expected, "{}\n{}\n{out}", self.shown, self.err);
        self
    }

    /// Checks that standard error names each of these.
    #[track_caller]
    pub(crate) fn says(self, what: &[&str]) -> Self {
        for what in what {
            assert!(self.err.contains(what), "{} does not say {what:?}:\n{}", self.shown, self.err);
        }
        self
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.out).expect("standard output is UTF-8")
    }

    /// Standard output, as JSON lines.
    pub(crate) fn json(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    /// Standard output, as `f32le`.
    pub(crate) fn samples(&self) -> Vec<f32> {
        assert_eq!(self.out.len() % 4, 0, "{}: a sample is cut", self.shown);
        self.out.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
    }
}

/// A directory of one test, deleted in the end.
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("pcmflow-program-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The path of a file in it, as text.
    pub(crate) fn at(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// A file with this content; returns its path.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> String {
        std::fs::write(self.0.join(name), bytes).unwrap();
        self.at(name)
    }

    /// A file, read as JSON.
    pub(crate) fn json(&self, name: &str) -> Value {
        let text = std::fs::read_to_string(self.0.join(name)).expect(name);
        serde_json::from_str(&text).expect(&text)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Samples of 16 bits, as a WAV file.
pub(crate) fn wav(rate: u32, channels: u16, samples: &[i16]) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    wav_of(1, 16, rate, channels, &data)
}

/// Samples in floating point, as a WAV file.
pub(crate) fn wav_f32(rate: u32, channels: u16, samples: &[f32]) -> Vec<u8> {
    wav_of(3, 32, rate, channels, &f32le(samples))
}

fn wav_of(tag: u16, bits: u16, rate: u32, channels: u16, data: &[u8]) -> Vec<u8> {
    let frame = channels * bits / 8;
    let mut bytes = Vec::from(*b"RIFF");
    bytes.extend((36 + data.len() as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0");
    for half in [tag, channels] {
        bytes.extend(half.to_le_bytes());
    }
    for word in [rate, rate.wrapping_mul(u32::from(frame))] {
        bytes.extend(word.to_le_bytes());
    }
    for half in [frame, bits] {
        bytes.extend(half.to_le_bytes());
    }
    bytes.extend(b"data");
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes
}

pub(crate) fn f32le(samples: &[f32]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

/// A sine of half of full scale.
pub(crate) fn sine(rate: u32, hz: f64, frames: usize) -> Vec<i16> {
    let step = std::f64::consts::TAU * hz / f64::from(rate);
    (0..frames).map(|n| (16_384.0 * (n as f64 * step).sin()).round() as i16).collect()
}

/// The whole number under `key`.
#[track_caller]
pub(crate) fn count(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_else(|| panic!("{key} is no count in {value}"))
}

/// Lines for a message: the first few.
pub(crate) fn few<T: std::fmt::Debug>(items: &[T]) -> String {
    let mut text = String::new();
    for item in items.iter().take(10) {
        let _ = writeln!(text, "{item:?}");
    }
    text
}
