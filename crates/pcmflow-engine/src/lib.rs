//! The engine of pcmflow: what carries audio between the parts of a program, and knows how it is.
//!
//! Nothing here knows threads, files, the environment or a clock: tasks are polled with a [`task::Cx`] that hands out the time,
//! and whoever polls them (threads natively, a Worker in the browser, a virtual clock in tests) is told only when there is
//! something to do. The crate builds for WebAssembly as it is.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`task`] | tasks, the executor that polls them by priority, parking and waking |
//! | [`event`] | the typed event bus: priorities, bounded subscriptions, losses counted by type |
//! | [`module`] | what a program is composed of: start, stop and health in the order of dependencies |
//! | [`config`] | the one typed configuration: validated, layered, changed at run time |
//! | [`transform`] | sample formats, layouts, channel maps, rates, block sizes |
//! | [`metrics`] | counters on the hot side, one sampler, windows, alerts, the [`metrics::Snapshot`] |
//! | [`flow`] | sources, nodes and sinks, the links between them, and the coordinator that connects them |
//! | [`pressure`] | what is done about a link that fills up |
//! | [`session`] | a flow with all that around it: what a program owns, and answers the console by |
//! | [`platform`] | what the machine gives to this process, the settings that follow, and what changed |
//! | [`console`] | the words of the console and their answers, as text and as JSON |

mod catching;
pub mod config;
pub mod console;
pub mod event;
pub mod flow;
pub mod metrics;
pub mod module;
mod mutant;
pub mod platform;
pub mod pressure;
mod priority;
pub mod session;
mod sync;
pub mod task;
pub mod transform;
#[cfg(all(test, not(pcmflow_loom)))]
mod typescript;

pub use priority::Priority;
