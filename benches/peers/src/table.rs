//! The table of an experiment, and whether its floors are met.

use crate::experiment::{Experiment, Figures, Kind, Process};
use crate::floors::{FLOORS, Floor};
use std::fmt::Write as _;

/// The rows as Markdown.
pub(crate) fn render(experiment: &Experiment, processes: &[Process]) -> String {
    let names = experiment.figures.names();
    let compared = match experiment.figures {
        Figures::Mean => 0..1,
        // The worst of a few hundred thousand is the scheduler's, and the limit's too.
        Figures::Tail => 0..2,
    };
    let mut header = vec!["contender".to_owned()];
    match experiment.figures {
        Figures::Mean => header.extend(["median ns", "min", "max", "÷ best peer", "÷ limit"].map(Into::into)),
        Figures::Tail => {
            header.extend(names.iter().map(|name| format!("{name} ns")));
            for what in ["best peer", "limit"] {
                header.extend(compared.clone().map(|figure| format!("{} ÷ {what}", names[figure])));
            }
        }
    }
    let mut text = format!("### {} {}\n\n| {} |\n", experiment.name, experiment.title, header.join(" | "));
    let _ = writeln!(text, "| --- |{}", " --: |".repeat(header.len() - 1));
    let all = Medians::of(experiment, processes);
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
                Figures::Tail => cells.push(format!("{median:.0} ({min:.0} .. {max:.0})")),
            }
        }
        for kind in [Kind::Peer, Kind::Limit] {
            cells.extend(compared.clone().map(|figure| {
                let ratio = all.ratio(experiment, index, figure, kind);
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
    let all = Medians::of(experiment, processes);
    for (index, contender) in experiment.contenders.iter().enumerate() {
        if contender.kind != Kind::Ours {
            continue;
        }
        let ratio = |medians: &Medians| medians.ratio(experiment, index, figure, floor.against);
        let each: Vec<f64> = processes
            .iter()
            .filter_map(|process| ratio(&Medians::of(experiment, std::slice::from_ref(process))))
            .collect();
        let Some(overall) = ratio(&all) else { continue };
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

/// The median of every contender's every figure.
struct Medians(Vec<Vec<f64>>);

impl Medians {
    fn of(experiment: &Experiment, processes: &[Process]) -> Self {
        let figures = 0..experiment.figures.names().len();
        let median = |contender: usize, figure: usize| {
            let rounds = processes.iter().flat_map(|process| &process.rounds[contender]);
            Summary::of(rounds.map(|figures| figures[figure])).median
        };
        let contenders = 0..experiment.contenders.len();
        Self(contenders.map(|index| figures.clone().map(|figure| median(index, figure)).collect()).collect())
    }

    /// A contender's figure over the best one of that kind.
    fn ratio(&self, experiment: &Experiment, contender: usize, figure: usize, to: Kind) -> Option<f64> {
        let of_kind = experiment.contenders.iter().zip(&self.0).filter(|(contender, _)| contender.kind == to);
        let best = of_kind.map(|(_, figures)| figures[figure]).min_by(f64::total_cmp)?;
        Some(self.0[contender][figure] / best)
    }
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
