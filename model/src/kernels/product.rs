//! Microkernel: the product of a panel of a packed matrix with a few rows of activations, written once for all
//! instruction sets and layouts.
//!
//! The sum over a group of columns is exact in integers. Groups are added in order, with the same float operations for
//! any number of rows, so a row's result does not depend on the rows that share the call.

use half::f16;

use super::layout::{LINE_BYTES, Layout, splat_byte};
use super::simd::{PANEL, Simd, with_count};

/// Maximum number of rows of one call.
pub(crate) const MAX_ROWS: usize = 8;

/// Prefetch distance in groups.
const PREFETCH_GROUPS: usize = 6;
/// Prefetch distance in groups to the second-level cache. With several rows a group takes longer than the processor
/// looks ahead, and the first-level cache has too few outstanding misses for the bandwidth of memory.
const L2_PREFETCH_GROUPS: usize = 24;

/// Panel of a matrix: the packed weights of 16 outputs.
#[derive(Clone, Copy)]
pub(crate) struct Panel {
    /// Quants, group after group.
    pub(crate) quants: *const u8,
    /// Low nibbles of a split Q8 matrix, else unused.
    pub(crate) low_nibbles: *const u8,
    /// 16 scales per block.
    pub(crate) scales: *const f16,
    /// 16 mins per block, or null.
    pub(crate) mins: *const f16,
    /// 16 sub-scales per group, or null if a block is one group.
    pub(crate) sub_scales: *const i8,
    /// 16 factors of the min per group, or null.
    pub(crate) sub_mins: *const u8,
    /// Blocks per row.
    pub(crate) blocks: usize,
    /// Groups per block.
    pub(crate) groups_per_block: usize,
    /// Quant that stands for zero.
    pub(crate) zero_point: u8,
    /// Fraction that is added to each quant.
    pub(crate) offset: f32,
}

/// Rows of activations as a microkernel takes them. Per-group values of all rows lie side by side, so that one register
/// points at them.
#[derive(Clone, Copy)]
pub(crate) struct ProductRows {
    /// Number of rows.
    pub(crate) count: usize,
    /// `[rows, columns]`
    pub(crate) quants: *const i8,
    /// `[groups, rows]`: scale of the quants.
    pub(crate) scales: *const f32,
    /// `[groups, rows]`: initial value of the integer sum, which subtracts the zero point of the matrix.
    pub(crate) initial_sums: *const i32,
    /// `[groups, rows]`: sum of the group's values.
    pub(crate) value_sums: *const f32,
    /// Number of columns.
    pub(crate) columns: usize,
}

/// Multiplies a panel with `result.len()` rows, 1 to [`MAX_ROWS`], starting at `row`.
pub(crate) type MicrokernelFn = unsafe fn(Panel, ProductRows, usize, &mut [[f32; PANEL]]);

/// Unpacks the quants of a panel to a byte each, into lines of [`UnpackedLayout`](super::layout::UnpackedLayout), and
/// prefetches the next panel.
pub(crate) type UnpackFn = unsafe fn(Panel, *mut u8);

/// Microkernels for matrices of one layout.
#[derive(Clone, Copy)]
pub(crate) struct Microkernels {
    /// Multiplies the packed quants.
    pub(crate) microkernel: MicrokernelFn,
    /// Alternative for [`MIN_UNPACK_ROWS`] rows and more: unpacks a panel once and multiplies the unpacked quants.
    pub(crate) unpacked: Option<(UnpackFn, MicrokernelFn)>,
}

/// Number of rows from which unpacking a panel once pays off.
pub(crate) const MIN_UNPACK_ROWS: usize = 16;

/// Number of vectors whose products with signed bytes, two per 16-bit sum, cannot overflow for quants of `bits` bits.
const fn max_pair_sums(bits: usize) -> usize {
    i16::MAX as usize / (2 * ((1 << bits) - 1) * 127)
}

/// Repeats a block of code for each vector of a group, with its index as a constant. The compiler does not unroll the
/// loop by itself when there are many rows.
macro_rules! each_vector {
    ($layout:ty, $vector:ident => $block:block) => {
        each_vector!($layout, $vector in [0, 1, 2, 3, 4, 5, 6, 7] => $block)
    };
    ($layout:ty, $vector:ident in [$($n:literal),*] => $block:block) => {
        $({
            const $vector: usize = $n;
            if $vector < <$layout>::GROUP_COLUMNS / 4 $block
        })*
    };
}

/// Maximum number of rows that are multiplied with two registers of a panel at once: their sums fit into 16 registers.
const PAIRED_ROWS: usize = 4;

/// [`MicrokernelFn`] of a set and a layout.
///
/// # Safety
/// As for [`Simd`]. The pointers hold what their descriptions say for the rows from `row` on.
#[inline(always)]
pub(crate) unsafe fn multiply_panel<S: Simd, L: Layout>(
    panel: Panel,
    rows: ProductRows,
    row: usize,
    result: &mut [[f32; PANEL]],
) {
    let adds_min = !panel.mins.is_null() || panel.offset != 0.0;
    let max_rows = if S::PAIRED_REGISTERS { PAIRED_ROWS } else { MAX_ROWS };
    for (group, result) in result.chunks_mut(max_rows).enumerate() {
        let row = row + group * max_rows;
        // SAFETY: as the caller guarantees.
        unsafe {
            if adds_min {
                multiply_rows::<S, L, true>(panel, rows, row, result);
            } else {
                multiply_rows::<S, L, false>(panel, rows, row, result);
            }
        }
    }
}

/// [`UnpackFn`] of a set and a layout.
///
/// # Safety
/// As for [`Simd`]. The panel's quants are readable, and `unpacked` has a line for each vector.
#[inline(always)]
pub(crate) unsafe fn unpack_panel<S: Simd, L: Layout>(panel: Panel, wide: *mut u8) {
    let groups = panel.blocks * panel.groups_per_block;
    for index in 0..groups {
        // SAFETY: as the caller guarantees; a prefetch may name any address.
        unsafe {
            let quants = panel.quants.add(index * L::GROUP_LINES * LINE_BYTES);
            for line in 0..L::GROUP_LINES {
                S::prefetch_l2(quants.wrapping_add((groups * L::GROUP_LINES + line) * LINE_BYTES));
            }
            each_vector!(L, V => {
                for lane in (0..PANEL).step_by(S::LANES) {
                    let vector = L::load_vector::<S>(quants.add(lane * 4), panel.low_nibbles, V);
                    S::store_i32(wide.add((index * L::GROUP_COLUMNS / 4 + V) * LINE_BYTES + lane * 4).cast(), vector);
                }
            });
        }
    }
}

/// Chooses the register tile for a number of rows. `ADDS` is true if quants have a min or an offset.
#[inline(always)]
unsafe fn multiply_rows<S: Simd, L: Layout, const ADDS: bool>(
    p: Panel,
    x: ProductRows,
    row: usize,
    result: &mut [[f32; PANEL]],
) {
    // SAFETY: as the caller guarantees.
    unsafe {
        // Only the branches of a set are compiled: the conditions are constants.
        if const { S::SMALL_BATCH_REGISTERS == 2 } {
            // One or two rows are memory-bound, so each cache line is used completely when it arrives.
            match result.len() {
                0 | 1 => return microkernel::<S, L, ADDS, 2, 1>(p, x, row, result),
                2 => return microkernel::<S, L, ADDS, 2, 2>(p, x, row, result),
                _ => {}
            }
        }
        if const { S::SMALL_BATCH_REGISTERS == 4 } {
            match result.len() {
                0 | 1 => return microkernel::<S, L, ADDS, 4, 1>(p, x, row, result),
                2 => return microkernel::<S, L, ADDS, 4, 2>(p, x, row, result),
                _ => {}
            }
        }
        const {
            assert!(
                S::SMALL_BATCH_REGISTERS == 2 || !S::PAIRED_REGISTERS,
                "a paired set handles one and two rows with two registers"
            )
        };
        if const { S::PAIRED_REGISTERS } {
            match result.len() {
                ..=3 => microkernel::<S, L, ADDS, 2, 3>(p, x, row, result),
                _ => microkernel::<S, L, ADDS, 2, PAIRED_ROWS>(p, x, row, result),
            }
        } else {
            with_count!(result.len(), R => microkernel::<S, L, ADDS, 1, R>(p, x, row, result));
        }
    }
}

/// Multiplies `R` rows with `PARTS` registers of a panel at a time.
#[inline(always)]
unsafe fn microkernel<S: Simd, L: Layout, const ADDS: bool, const PARTS: usize, const R: usize>(
    p: Panel,
    x: ProductRows,
    row: usize,
    result: &mut [[f32; PANEL]],
) {
    // SAFETY: by contract, groups, rows and lanes are within what the pointers hold.
    unsafe {
        for lane in (0..PANEL).step_by(S::LANES * PARTS) {
            let mut sums = [[S::splat_f32(0.0); PARTS]; R];
            let mut inputs: [_; R] = std::array::from_fn(|r| x.quants.add((row + r) * x.columns));
            for block in 0..p.blocks {
                for index in block * p.groups_per_block..(block + 1) * p.groups_per_block {
                    let at = index * L::GROUP_LINES * LINE_BYTES + lane * 4;
                    let (numbers, lower) = (p.quants.add(at), p.low_nibbles.wrapping_add(at));
                    let group = Group { panel: p, quants: numbers, low_nibbles: lower, block, index, lane };
                    group.prefetch::<S, L>();
                    group.accumulate::<S, L, ADDS, PARTS, R>(x, row, &inputs, &mut sums);
                    for inputs in &mut inputs {
                        *inputs = opaque(inputs.add(L::GROUP_COLUMNS));
                    }
                }
            }
            for (result, sums) in result.iter_mut().zip(&sums) {
                for (part, sum) in sums.iter().enumerate() {
                    S::store_f32(result.as_mut_ptr().add(lane + part * S::LANES), *sum);
                }
            }
        }
    }
}

/// Returns the pointer unchanged, opaquely to the compiler, which then keeps it in a register of its own. Otherwise it
/// would address each row by base and index, and on Intel processors a product with such an operand takes two
/// micro-operations instead of one.
#[inline(always)]
fn opaque<T>(at: *const T) -> *const T {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    let at = {
        let mut same = at;
        #[allow(clippy::pointers_in_nomem_asm_block, reason = "the block has no code")]
        // SAFETY: the block has no code.
        unsafe {
            std::arch::asm!("/* {} */", inout(reg) same, options(nomem, nostack, preserves_flags))
        };
        same
    };
    at
}

/// Group of columns of a panel, which share a sub-scale.
struct Group {
    panel: Panel,
    /// Quants of the group, from the lane on.
    quants: *const u8,
    low_nibbles: *const u8,
    block: usize,
    index: usize,
    lane: usize,
}

#[allow(clippy::missing_safety_doc, reason = "as for the microkernel, which these are parts of")]
impl Group {
    /// Prefetches the lines of later groups.
    #[inline(always)]
    unsafe fn prefetch<S: Simd, L: Layout>(&self) {
        if L::IS_CACHED {
            return;
        }
        for line in 0..L::GROUP_LINES {
            // SAFETY: as the caller guarantees; a prefetch may name any address.
            unsafe {
                S::prefetch(self.quants.wrapping_add((PREFETCH_GROUPS * L::GROUP_LINES + line) * LINE_BYTES));
                if L::IS_SPLIT {
                    S::prefetch(self.low_nibbles.wrapping_add((PREFETCH_GROUPS * L::GROUP_LINES + line) * LINE_BYTES));
                }
                S::prefetch_l2(self.quants.wrapping_add((L2_PREFETCH_GROUPS * L::GROUP_LINES + line) * LINE_BYTES));
            }
        }
    }

    /// Loads `PARTS` registers of a vector.
    #[inline(always)]
    unsafe fn load_vector<S: Simd, L: Layout, const PARTS: usize>(&self, index: usize) -> [S::Ints; PARTS] {
        // SAFETY: as the caller guarantees.
        unsafe {
            let mut parts = [S::splat_i32(0); PARTS];
            for (part, numbers) in parts.iter_mut().enumerate() {
                let at = part * S::LANES * 4;
                *numbers = L::load_vector::<S>(self.quants.add(at), self.low_nibbles.wrapping_add(at), index);
            }
            parts
        }
    }

    /// Adds the group's products to the sums of the rows from `row` on. `inputs` point to the rows' quants of these
    /// columns.
    #[inline(always)]
    unsafe fn accumulate<S: Simd, L: Layout, const ADDS: bool, const PARTS: usize, const R: usize>(
        &self,
        x: ProductRows,
        row: usize,
        inputs: &[*const i8; R],
        sums: &mut [[S::Floats; PARTS]; R],
    ) {
        let (p, block, index, lane) = (&self.panel, self.block, self.index, self.lane);
        // Index of the first row's per-group values.
        let at = index * x.count + row;
        let pair_sums =
            if S::HAS_MADD_I16 && !L::IS_SPLIT { max_pair_sums(L::BITS).min(L::GROUP_COLUMNS / 4) } else { 0 };
        // SAFETY: as the caller guarantees.
        unsafe {
            let zero = splat_byte::<S>(p.zero_point);
            let mut dots = [[S::splat_i32(0); PARTS]; R];
            if !S::SIGNED_DOT || pair_sums > 0 {
                for (r, dots) in dots.iter_mut().enumerate() {
                    *dots = [S::splat_i32(*x.initial_sums.add(at + r)); PARTS];
                }
            }
            let mut pairs = [[S::splat_i32(0); PARTS]; R];
            each_vector!(L, V => {
                let w = self.load_vector::<S, L, PARTS>(V);
                for (r, four) in inputs.iter().copied().enumerate() {
                    match pair_sums {
                        0 => S::dot_many::<PARTS, { V * 4 }>(&mut dots[r], w, zero, four),
                        _ if V.is_multiple_of(pair_sums) => pairs[r] = S::madd_i16_first::<PARTS, { V * 4 }>(w, four),
                        _ => S::madd_i16::<PARTS, { V * 4 }>(&mut pairs[r], w, four),
                    }
                }
                if pair_sums > 0 && (V + 1usize).is_multiple_of(pair_sums) {
                    for r in 0..R {
                        for (dot, pairs) in dots[r].iter_mut().zip(pairs[r]) {
                            *dot = S::add_i16_pairs(*dot, pairs);
                        }
                    }
                }
            });
            for part in 0..PARTS {
                let lane = lane + part * S::LANES;
                let block_scale = S::load_f16(p.scales.add(block * PANEL + lane));
                let scale = match p.sub_scales.is_null() {
                    true => block_scale,
                    false => S::mul(block_scale, S::load_i8(p.sub_scales.add(index * PANEL + lane))),
                };
                for r in 0..R {
                    let factor = S::mul(scale, S::splat_f32(*x.scales.add(at + r)));
                    sums[r][part] = S::mul_add(S::to_f32(dots[r][part]), factor, sums[r][part]);
                }
                if ADDS {
                    let added = if p.mins.is_null() {
                        S::mul(scale, S::splat_f32(p.offset))
                    } else {
                        let minimum = S::load_f16(p.mins.add(block * PANEL + lane));
                        match p.sub_mins.is_null() {
                            true => minimum,
                            false => S::mul(minimum, S::load_u8(p.sub_mins.add(index * PANEL + lane))),
                        }
                    };
                    for (r, sums) in sums.iter_mut().enumerate() {
                        let sum = S::splat_f32(*x.value_sums.add(at + r));
                        sums[part] = S::mul_add(added, sum, sums[part]);
                    }
                }
            }
        }
    }
}
