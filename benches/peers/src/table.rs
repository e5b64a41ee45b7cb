//! The table of an experiment, and whether its floors are met.

use crate::experiment::{Experiment, Figures, Kind, Process};
use crate::floors::{FLOORS, Floor};
use std::fmt::Write as _;

/// The rows as Markdown.
pub(crate) fn render(experiment: &Experiment, processes: &[Process]) -> String {
    let names = experiment.figures.names();
    let compared = experiment.figures.compared();
    let mut header = vec!["contender".to_owned()];
    match experiment.figures {
        Figures::Mean => header.extend(["median ns", "min", "max", "÷ best peer", "÷ limit"].map(Into::into)),
        Figures::Tail | Figures::Worst => {
            header.extend(names.iter().map(|name| format!("{name} ns")));
            for what in ["best peer", "limit"] {
                header.extend(compared.iter().map(|figure| format!("{} ÷ {what}", names[*figure])));
            }
        }
    }
    let mut text = format!("### {} {}\n\n| {} |\n", experiment.name, experiment.title, header.join(" | "));
    let _ = writeln!(text, "| --- |{}", " --: |".repeat(header.len() - 1));
    for (index, contender) in experiment.contenders.iter().enumerate() {
        let mut cells = vec![match contender.kind {
            Kind::Limit | Kind::Timing => format!("*{}*", contender.name),
            Kind::Ours => format!("**{}**", contender.name),
            Kind::Peer => contender.name.into(),
        }];
        for figure in 0..names.len() {
            let rounds = processes.iter().flat_map(|process| &process.rounds[index]);
            let Summary { median, min, max } = Summary::of(rounds.map(|figures| figures[figure]));
            match experiment.figures {
                Figures::Mean => cells.extend([median, min, max].map(|ns| format!("{ns:.1}"))),
                Figures::Tail | Figures::Worst => cells.push(format!("{median:.0} ({min:.0} .. {max:.0})")),
            }
        }
        for kind in [Kind::Peer, Kind::Limit] {
            cells.extend(compared.iter().map(|figure| {
                let ratio = ratio(experiment, processes, index, *figure, kind);
                ratio
                    .filter(|_| contender.kind != Kind::Timing)
                    .map_or("–".into(), |ratio| format!("{ratio:.2}"))
            }));
        }
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text.push('\n');
    for floor in FLOORS.iter().filter(|floor| floor.experiment == experiment.name) {
        verdict(&mut text, experiment, processes, floor);
    }
    let trips: Vec<String> = processes.iter().map(|process| format!("{:.0}", process.round_trip)).collect();
    let _ = writeln!(text, "- bare round trip by process: {} ns\n", trips.join(", "));
    text
}

/// Says for each of ours whether it keeps the floor, which it does only if it does in every process.
fn verdict(text: &mut String, experiment: &Experiment, processes: &[Process], floor: &Floor) {
    let names = experiment.figures.names();
    let Some(figure) = names.iter().position(|name| *name == floor.figure) else { return };
    for (index, contender) in experiment.contenders.iter().enumerate() {
        if contender.kind != Kind::Ours {
            continue;
        }
        let among = |processes: &[Process]| ratio(experiment, processes, index, figure, floor.against);
        let each: Vec<f64> =
            processes.iter().filter_map(|process| among(std::slice::from_ref(process))).collect();
        let Some(overall) = among(processes) else { continue };
        let missed = each.iter().filter(|ratio| !floor.holds(**ratio)).count();
        let word = if missed == 0 && floor.holds(overall) { "met" } else { "missed" };
        let each: Vec<String> = each.iter().map(|ratio| format!("{ratio:.2}")).collect();
        let _ = writeln!(
            text,
            "- floor {word}: {}, {} {overall:.2} × {}; the floor is {}; by process {}",
            contender.name,
            floor.figure,
            floor.what(),
            floor.bar(),
            each.join(", ")
        );
    }
}

/// A contender's figure over that of the best of a kind: the median of the ratios of neighbouring rounds, so that it
/// stays what it is when the host moves the cores apart or together between two rounds.
fn ratio(
    experiment: &Experiment,
    processes: &[Process],
    contender: usize,
    figure: usize,
    to: Kind,
) -> Option<f64> {
    let over = |other: usize| {
        let pairs =
            processes.iter().flat_map(|process| process.rounds[contender].iter().zip(&process.rounds[other]));
        Summary::of(pairs.map(|(own, other)| own[figure] / other[figure])).median
    };
    let of_kind = (0..experiment.contenders.len()).filter(|other| experiment.contenders[*other].kind == to);
    // The best of them is the one beside which this looks worst.
    of_kind.map(over).max_by(f64::total_cmp)
}

/// The middle and the ends.
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Summary {
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let (Some(min), Some(max)) = (sorted.first().copied(), sorted.last().copied()) else {
            return Self { median: f64::NAN, min: f64::NAN, max: f64::NAN };
        };
        Self { median: (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0, min, max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{Contender, ROUND};

    fn experiment() -> Experiment {
        let contender = |name, kind| Contender {
            name,
            kind,
            verify: |_| (),
            round: |_, _| unreachable!("figures are given"),
        };
        Experiment {
            name: "X1",
            title: "made up",
            figures: Figures::Mean,
            round: ROUND,
            contenders: vec![
                contender("bare", Kind::Limit),
                contender("ours", Kind::Ours),
                contender("slow", Kind::Peer),
                contender("quick", Kind::Peer),
            ],
        }
    }

    /// Each contender's mean in each round.
    fn process(rounds: [[f64; 3]; 4]) -> Process {
        let rounds = rounds.map(|means| means.map(|mean| vec![mean]).into());
        Process { round_trip: 100.0, rounds: rounds.into() }
    }

    const STEADY: [[f64; 3]; 4] = [[50.0; 3], [60.0, 61.0, 66.0], [400.0; 3], [100.0; 3]];

    #[test]
    fn a_row_says_medians_ranges_and_ratios() {
        let text = render(&experiment(), &[process(STEADY)]);
        assert!(text.contains("| **ours** | 61.0 | 60.0 | 66.0 | 0.61 | 1.22 |"), "{text}");
        assert!(text.contains("| *bare* | 50.0 | 50.0 | 50.0 | 0.50 | 1.00 |"), "{text}");
        assert!(text.contains("| quick | 100.0 | 100.0 | 100.0 | 1.00 | 2.00 |"), "{text}");
        assert!(
            text.contains("floor met: ours, median 0.61 × the best peer; the floor is at most 0.70"),
            "{text}"
        );
    }

    #[test]
    fn a_floor_that_one_process_misses_is_missed() {
        let other = [[50.0; 3], [80.0; 3], [400.0; 3], [100.0; 3]];
        let text = render(&experiment(), &[process(STEADY), process(other), process(STEADY)]);
        assert!(text.contains("floor missed: ours, median 0.66"), "{text}");
        assert!(text.contains("by process 0.61, 0.80, 0.61"), "{text}");
    }

    #[test]
    fn ratios_are_of_neighbouring_rounds() {
        // The machine is four times slower from the second process on: the ratio is what it was.
        let slower = STEADY.map(|means| means.map(|mean| 4.0 * mean));
        let text = render(&experiment(), &[process(STEADY), process(slower)]);
        assert!(text.contains("| **ours** | 153.0 | 60.0 | 264.0 | 0.61 | 1.22 |"), "{text}");
    }
}
