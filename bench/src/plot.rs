//! Figures as a picture: lines over a logarithmic axis, in SVG.

use std::{error::Error, path::Path};

use anyhow::{Result, anyhow, ensure};
use plotters::{
    coord::{
        Shift,
        ranged1d::{AsRangedCoord, Ranged, ValueFormatter},
    },
    prelude::{
        BLACK, ChartBuilder, Circle, Color, DrawingArea, IntoDrawingArea, IntoLogRange, LineSeries,
        Palette, Palette99, PathElement, SVGBackend, SeriesLabelPosition, WHITE,
    },
};

/// Points of the picture, and of its letters.
const SIZE: (u32, u32) = (900, 560);
const FONT: (&str, u32) = ("sans-serif", 15);
const TITLE: (&str, u32) = ("sans-serif", 19);

/// What is drawn.
#[derive(Clone, Debug)]
pub struct Plot {
    /// What it shows.
    pub title: String,
    /// What lies along the axis at the bottom, which is logarithmic.
    pub x: String,
    /// What goes up.
    pub y: String,
    /// Whether that is logarithmic too.
    pub is_log: bool,
    /// The lines with their names; points from left to right, above 0.
    pub lines: Vec<(String, Vec<(f64, f64)>)>,
}

impl Plot {
    /// Writes the picture.
    pub fn write(&self, path: &Path) -> Result<()> {
        let points = || self.lines.iter().flat_map(|(_, points)| points);
        ensure!(points().count() > 0, "there is nothing to draw");
        let most = points().map(|(_, y)| *y).fold(0.0, f64::max);
        let least = points().map(|(_, y)| *y).fold(f64::INFINITY, f64::min);
        let area = SVGBackend::new(path, SIZE).into_drawing_area();
        let drawn = if self.is_log {
            self.draw(&area, (least / 1.5..most * 1.5).log_scale())
        } else {
            self.draw(&area, 0.0..most * 1.1)
        };
        drawn.map_err(|error| anyhow!("cannot draw {}: {error}", path.display()))
    }

    fn draw<Y>(&self, area: &DrawingArea<SVGBackend<'_>, Shift>, y: Y) -> Result<(), Box<dyn Error>>
    where
        Y: AsRangedCoord<Value = f64>,
        Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let points = || self.lines.iter().flat_map(|(_, points)| points);
        let right = points().map(|(x, _)| *x).fold(0.0, f64::max);
        let left = points().map(|(x, _)| *x).fold(f64::INFINITY, f64::min);
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, TITLE)
            .margin(12)
            .margin_right(24)
            .x_label_area_size(44)
            .y_label_area_size(70)
            .build_cartesian_2d((left..right * 1.2).log_scale(), y)?;
        chart
            .configure_mesh()
            .x_desc(&self.x)
            .y_desc(&self.y)
            .label_style(FONT)
            .axis_desc_style(FONT)
            .x_label_formatter(&|x| plain(*x))
            .y_label_formatter(&|y| plain(*y))
            .light_line_style(WHITE)
            .draw()?;
        for ((name, points), number) in self.lines.iter().zip(0..) {
            let colour = Palette99::pick(number).to_rgba();
            chart
                .draw_series(LineSeries::new(
                    points.iter().copied(),
                    colour.stroke_width(2),
                ))?
                .label(name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour));
            let dots = points.iter().filter(|_| points.len() < 20);
            chart.draw_series(dots.map(|point| Circle::new(*point, 3, colour.filled())))?;
        }
        chart
            .configure_series_labels()
            .label_font(FONT)
            .position(if self.is_log {
                SeriesLabelPosition::UpperLeft
            } else {
                SeriesLabelPosition::LowerRight
            })
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()?;
        area.present()?;
        Ok(())
    }
}

/// Without noughts that say nothing.
fn plain(value: f64) -> String {
    match value {
        1e6.. => format!("{} M", value / 1e6),
        1e3.. => format!("{} k", value / 1e3),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::Plot;

    fn plot(is_log: bool) -> Plot {
        Plot {
            title: "cost".into(),
            x: "flows".into(),
            y: "ns".into(),
            is_log,
            lines: vec![
                ("dr".into(), vec![(1.0, 8.0), (256.0, 9.5)]),
                ("tun".into(), vec![(1.0, 10.0), (256.0, 12.0)]),
            ],
        }
    }

    #[test]
    fn draws_every_line_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        for is_log in [false, true] {
            let path = folder.path().join("plot.svg");
            plot(is_log).write(&path).unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"));
            assert_eq!(text.matches("<circle").count(), 4);
            for name in ["cost", "flows", "ns", "dr", "tun"] {
                assert!(text.contains(name), "{name} is missing");
            }
        }
    }

    #[test]
    fn nothing_is_not_drawn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plot.svg");
        let nothing = Plot {
            lines: vec![("dr".into(), Vec::new())],
            ..plot(false)
        };
        assert!(nothing.write(&path).is_err());
        assert!(!path.exists());
    }
}
