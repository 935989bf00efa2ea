//! From the drawing to pixels.

use std::path::Path;

use anyhow::{Context, Result};
use resvg::{tiny_skia, usvg};

/// Pixels for one unit of the drawing.
const PIXELS_PER_UNIT: f32 = 2.0;

/// Writes a drawing as PNG, with the fonts of the machine.
pub(super) fn write(svg: &str, path: &Path) -> Result<()> {
    let mut options = usvg::Options::default();
    options.fontdb_mut().load_system_fonts();
    anyhow::ensure!(!options.fontdb.is_empty(), "there is no font on this machine; only the SVG is drawn");
    let tree = usvg::Tree::from_str(svg, &options).context("the drawing cannot be read back")?;
    let size = tree.size();
    let (width, height) = ((size.width() * PIXELS_PER_UNIT) as u32, (size.height() * PIXELS_PER_UNIT) as u32);
    let mut pixels = tiny_skia::Pixmap::new(width, height).context("the drawing is empty")?;
    resvg::render(&tree, tiny_skia::Transform::from_scale(PIXELS_PER_UNIT, PIXELS_PER_UNIT), &mut pixels.as_mut());
    pixels.save_png(path).with_context(|| format!("cannot write {}", path.display()))
}
