//! The picture: nanoseconds per call of every peer in every workload, on a logarithmic scale.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use crate::figures::{Figures, Measure};
use crate::roster::OURS;

const SIZE: (u32, u32) = (1100, 620);

/// Hues in a circle; ours is black.
fn colour(place: usize, of: usize) -> HSLColor {
    HSLColor(place as f64 / of as f64, 0.75, 0.45)
}

/// Draws that measure of all peers and workloads that have it.
///
/// # Errors
/// The file cannot be written, or there is nothing to draw.
pub fn draw(figures: &Figures, measure: Measure, path: &Path) -> Result<()> {
    draw_at(figures, measure, path)
        .map_err(|error| anyhow!("cannot draw {}: {error}", path.display()))
}

fn draw_at(
    figures: &Figures,
    measure: Measure,
    path: &Path,
) -> Result<(), Box<dyn core::error::Error>> {
    let workloads = figures.workloads(measure);
    let peers = figures.peers();
    let values = |peer: &str| -> Vec<(f64, f64)> {
        let value = |(place, workload): (usize, &&str)| {
            let value = figures.get(peer, workload, measure)?;
            Some((place as f64, value.median.max(0.1)))
        };
        workloads.iter().enumerate().filter_map(value).collect()
    };
    let highest = peers
        .iter()
        .flat_map(|peer| values(peer))
        .map(|(_, value)| value)
        .fold(1.0, f64::max);

    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let right = workloads.len() as f64 + 1.5;
    let mut chart = ChartBuilder::on(&root)
        .caption(measure.title(), ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(-0.5..right, (0.5..highest * 2.0).log_scale())?;
    let name = |place: &f64| {
        let whole = place.fract().abs() < 1e-9 && *place >= 0.0;
        let name = whole.then(|| workloads.get(*place as usize)).flatten();
        name.map_or(String::new(), |name| (*name).to_owned())
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(2 * workloads.len() + 5)
        .x_label_formatter(&name)
        .draw()?;

    for (place, peer) in peers.iter().enumerate() {
        let values = values(peer);
        let (colour, width) = if *peer == OURS {
            (HSLColor(0.0, 0.0, 0.0), 3)
        } else {
            (colour(place, peers.len()), 1)
        };
        chart
            .draw_series(LineSeries::new(values.clone(), colour.stroke_width(width)))?
            .label(*peer)
            .legend(move |(x, y)| Circle::new((x + 8, y), 4, colour.filled()));
        chart.draw_series(values.iter().map(|at| Circle::new(*at, 3, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::MiddleRight)
        .background_style(WHITE)
        .draw()?;
    root.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_and_every_workload_is_named_in_the_picture() {
        let mut figures = Figures::default();
        for (peer, workload, nanos) in [
            ("one", "pair", 3.0),
            ("two", "pair", 50.0),
            ("two", "bulk", 7e5),
        ] {
            figures.add(peer, workload, Measure::Nanos, nanos);
        }
        let folder = std::env::temp_dir().join(format!("bench-plot-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("plot.svg");

        draw(&figures, Measure::Nanos, &path).unwrap();

        let picture = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        for name in ["one", "two", "pair", "bulk", Measure::Nanos.title()] {
            assert!(picture.contains(&format!("\n{name}\n")), "{name}");
        }
    }
}
