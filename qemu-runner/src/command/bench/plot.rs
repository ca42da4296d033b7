//! The plots: what a write costs as it grows (figures 5.1 and 5.2 of the thesis), and what each
//! call costs at home, on the wire and away.

use std::error::Error;
use std::path::{Path, PathBuf};

use plotters::prelude::*;

use super::calls::Call;
use super::results::Results;
use crate::command::failure::Failure;

/// Width and height in pixels.
const SIZE: (u32, u32) = (900, 560);

/// The calls that write, by size in bytes.
const WRITES: [(&str, f64); 9] = [
    ("write_64", 64.0),
    ("write_256", 256.0),
    ("write_1k", 1024.0),
    ("write_2k", 2048.0),
    ("write_4k", 4096.0),
    ("write_8k", 8192.0),
    ("write_16k", 16384.0),
    ("write_64k", 65536.0),
    ("write_256k", 262_144.0),
];

/// The files of the plots, with what each shows.
pub(crate) const NAMES: [(&str, &str); 2] = [
    ("write-time.svg", "The time of write(2) by its size"),
    ("write-throughput.svg", "The throughput of write(2) by its size"),
];

/// A line of a plot.
struct Series {
    name: &'static str,
    colour: RGBColor,
    points: Vec<(f64, f64)>,
}

/// Draws what the figures are there for, into the directory `target`.
pub(crate) fn draw(results: &Results, target: &Path) -> Result<Vec<PathBuf>, Failure> {
    if results.calls.is_empty() {
        return Ok(Vec::new());
    }
    let unwritable = |source| Failure::Unwritable { path: target.to_owned(), source };
    std::fs::create_dir_all(target).map_err(unwritable)?;
    let [time, rate] = NAMES.map(|(file, _)| target.join(file));
    let drawn = times(results, &time).and_then(|()| rates(results, &rate));
    drawn.map_err(|error| unwritable(std::io::Error::other(error.to_string())))?;
    Ok(vec![time, rate])
}

fn series(results: &Results, value: fn(f64, f64) -> f64) -> Vec<Series> {
    let of = |time: fn(&Call) -> Option<f64>| -> Vec<(f64, f64)> {
        let point = |(name, size): &(&str, f64)| {
            Some((*size, value(*size, time(results.calls.get(*name)?)?)))
        };
        WRITES.iter().filter_map(point).collect()
    };
    vec![
        Series { name: "at home", colour: BLUE, points: of(|call| Some(call.home.median)) },
        Series {
            name: "the same bytes over TCP",
            colour: GREEN,
            points: of(|call| call.tcp.as_ref().map(|tcp| tcp.median)),
        },
        Series { name: "away", colour: RED, points: of(|call| Some(call.away.median)) },
    ]
}

fn times(results: &Results, file: &Path) -> Result<(), Box<dyn Error>> {
    let series = series(results, |_, time| time);
    chart(file, NAMES[0].1, "us", &series)
}

fn rates(results: &Results, file: &Path) -> Result<(), Box<dyn Error>> {
    // Bytes in a microsecond are megabytes in a second.
    let series = series(results, |size, time| size / time.max(0.001));
    chart(file, NAMES[1].1, "MB/s", &series)
}

fn chart(file: &Path, title: &str, unit: &str, series: &[Series]) -> Result<(), Box<dyn Error>> {
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let points = || series.iter().flat_map(|series| series.points.iter());
    let least = points().map(|point| point.1).fold(f64::MAX, f64::min);
    let most = points().map(|point| point.1).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 22))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(72)
        .build_cartesian_2d((50.0..300_000.0).log_scale(), (least / 2.0..most * 2.0).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("bytes")
        .y_desc(unit)
        .x_label_formatter(&|bytes| format!("{bytes:.0}"))
        .draw()?;
    for Series { name, colour, points } in series {
        let (style, dots) = (colour.stroke_width(2), points.iter().copied());
        chart
            .draw_series(LineSeries::new(dots, style).point_size(4))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(BLACK)
        .draw()?;
    area.present()?;
    Ok(())
}
