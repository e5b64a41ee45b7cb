//! `pcmflow`: audio in, through rings, pool and links that keep books, to pitch, level, files and other programs.
#![forbid(unsafe_code)]

// Before those who use its macro.
#[macro_use]
mod tell;

mod args;
mod commands;
mod failure;
mod flow;
mod flow_summary;
mod input;
mod run;
mod summary;
mod waiting;

use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use failure::Outcome;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Demo(args) => commands::demo::run(&args),
        Command::Pitch(args) => commands::pitch::run(&args),
        Command::Level(args) => commands::level::run(&args),
        Command::Pipe(args) => commands::pipe::run(&args),
        Command::Info(args) => commands::info::run(&args),
        Command::Run(args) => commands::run::run(&args),
        Command::Graph(args) => commands::graph::run(&args),
        Command::Config { command } => commands::config::run(&command),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "pcmflow", &mut script);
            commands::print(&script)
        }
    };
    match result {
        Ok(outcome) => outcome.into(),
        Err(failure) => {
            tell!("pcmflow: {failure}");
            failure.outcome().into()
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        ExitCode::from(outcome as u8)
    }
}
