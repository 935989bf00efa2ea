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

/// Multiplies a panel with the `result.len()` rows, 1 to [`MAX_ROWS`], from `first_row` on.
pub(crate) type MicrokernelFn = unsafe fn(panel: Panel, x: ProductRows, first_row: usize, result: &mut [[f32; PANEL]]);

/// Unpacks the quants of a panel to a byte each, into lines of [`UnpackedLayout`](super::layout::UnpackedLayout), and
/// prefetches the next panel.
pub(crate) type UnpackFn = unsafe fn(panel: Panel, unpacked: *mut u8);

/// Microkernels for matrices of one layout.
#[derive(Clone, Copy)]
pub(crate) struct Microkernels {
    /// Multiplies the packed quants.
    pub(crate) microkernel: MicrokernelFn,
    /// Alternative for [`MIN_UNPACK_ROWS`] rows and more: unpacks a panel once and multiplies the unpacked quants.
    pub(crate) unpacked: Option<(UnpackFn, MicrokernelFn)>,
}

/// Minimum number of rows for which unpacking a panel first is faster.
pub(crate) const MIN_UNPACK_ROWS: usize = 16;

/// Number of vectors of quants of `bits` bits whose products with signed bytes can be added up in 16 bits. Each vector
/// adds the sum of two products to a 16-bit lane.
const fn max_i16_vectors(bits: usize) -> usize {
    i16::MAX as usize / (2 * ((1 << bits) - 1) * 127)
}

/// Repeats a block of code for each vector of a group, with its index as a constant. The compiler does not unroll the
/// loop by itself when there are many rows.
macro_rules! for_each_vector {
    ($layout:ty, $vector:ident => $block:block) => {
        for_each_vector!($layout, $vector in [0, 1, 2, 3, 4, 5, 6, 7] => $block)
    };
    ($layout:ty, $vector:ident in [$($n:literal),*] => $block:block) => {
        $({
            const $vector: usize = $n;
            if $vector < <$layout>::GROUP_COLUMNS / 4 $block
        })*
    };
}

/// Maximum number of rows that are multiplied with two registers of a panel at once: their sums fit into 16 registers.
const MAX_PAIRED_ROWS: usize = 4;

/// [`MicrokernelFn`] of a set and a layout.
///
/// # Safety
/// As for [`Simd`]. The pointers hold what their descriptions say for the rows from `first_row` on.
#[inline(always)]
pub(crate) unsafe fn multiply_panel<S: Simd, L: Layout>(
    panel: Panel,
    x: ProductRows,
    first_row: usize,
    result: &mut [[f32; PANEL]],
) {
    let adds_min = !panel.mins.is_null() || panel.offset != 0.0;
    let max_rows = if S::PAIRED_REGISTERS { MAX_PAIRED_ROWS } else { MAX_ROWS };
    for (tile, result) in result.chunks_mut(max_rows).enumerate() {
        let first_row = first_row + tile * max_rows;
        // SAFETY: as the caller guarantees.
        unsafe {
            if adds_min {
                multiply_rows::<S, L, true>(panel, x, first_row, result);
            } else {
                multiply_rows::<S, L, false>(panel, x, first_row, result);
            }
        }
    }
}

/// [`UnpackFn`] of a set and a layout.
///
/// # Safety
/// As for [`Simd`]. The panel's quants are readable, and `unpacked` has a line for each vector.
#[inline(always)]
pub(crate) unsafe fn unpack_panel<S: Simd, L: Layout>(panel: Panel, unpacked: *mut u8) {
    let groups = panel.blocks * panel.groups_per_block;
    for index in 0..groups {
        // SAFETY: as the caller guarantees; a prefetch may name any address.
        unsafe {
            let quants = panel.quants.add(index * L::GROUP_LINES * LINE_BYTES);
            for line in 0..L::GROUP_LINES {
                S::prefetch_l2(quants.wrapping_add((groups * L::GROUP_LINES + line) * LINE_BYTES));
            }
            for_each_vector!(L, V => {
                for lane in (0..PANEL).step_by(S::LANES) {
                    let vector = L::load_vector::<S>(quants.add(lane * 4), panel.low_nibbles, V);
                    let to = unpacked.add((index * L::GROUP_COLUMNS / 4 + V) * LINE_BYTES + lane * 4);
                    S::store_i32(to.cast(), vector);
                }
            });
        }
    }
}

/// Chooses the register tile for a number of rows. `ADDS_MIN` is true if quants have a min or an offset.
#[inline(always)]
unsafe fn multiply_rows<S: Simd, L: Layout, const ADDS_MIN: bool>(
    panel: Panel,
    x: ProductRows,
    first_row: usize,
    result: &mut [[f32; PANEL]],
) {
    // SAFETY: as the caller guarantees.
    unsafe {
        // Only the branches of a set are compiled: the conditions are constants.
        if const { S::SMALL_BATCH_REGISTERS == 2 } {
            // One or two rows are memory-bound, so each cache line is used completely when it arrives.
            match result.len() {
                0 | 1 => return microkernel::<S, L, ADDS_MIN, 2, 1>(panel, x, first_row, result),
                2 => return microkernel::<S, L, ADDS_MIN, 2, 2>(panel, x, first_row, result),
                _ => {}
            }
        }
        if const { S::SMALL_BATCH_REGISTERS == 4 } {
            match result.len() {
                0 | 1 => return microkernel::<S, L, ADDS_MIN, 4, 1>(panel, x, first_row, result),
                2 => return microkernel::<S, L, ADDS_MIN, 4, 2>(panel, x, first_row, result),
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
                ..=3 => microkernel::<S, L, ADDS_MIN, 2, 3>(panel, x, first_row, result),
                _ => microkernel::<S, L, ADDS_MIN, 2, MAX_PAIRED_ROWS>(panel, x, first_row, result),
            }
        } else {
            with_count!(result.len(), ROWS => microkernel::<S, L, ADDS_MIN, 1, ROWS>(panel, x, first_row, result));
        }
    }
}

/// Multiplies `ROWS` rows with `REGS` registers of a panel at a time.
#[inline(always)]
unsafe fn microkernel<S: Simd, L: Layout, const ADDS_MIN: bool, const REGS: usize, const ROWS: usize>(
    panel: Panel,
    x: ProductRows,
    first_row: usize,
    result: &mut [[f32; PANEL]],
) {
    // SAFETY: by contract, groups, rows and lanes are within what the pointers hold.
    unsafe {
        for lane in (0..PANEL).step_by(S::LANES * REGS) {
            let mut sums = [[S::splat_f32(0.0); REGS]; ROWS];
            let mut inputs: [_; ROWS] = std::array::from_fn(|r| x.quants.add((first_row + r) * x.columns));
            for block in 0..panel.blocks {
                for index in block * panel.groups_per_block..(block + 1) * panel.groups_per_block {
                    let at = index * L::GROUP_LINES * LINE_BYTES + lane * 4;
                    let (quants, low_nibbles) = (panel.quants.add(at), panel.low_nibbles.wrapping_add(at));
                    let group = Group { panel, quants, low_nibbles, block, index, lane };
                    group.prefetch::<S, L>();
                    group.accumulate::<S, L, ADDS_MIN, REGS, ROWS>(x, first_row, &inputs, &mut sums);
                    for inputs in &mut inputs {
                        *inputs = opaque(inputs.add(L::GROUP_COLUMNS));
                    }
                }
            }
            for (result, sums) in result.iter_mut().zip(&sums) {
                for (reg, sum) in sums.iter().enumerate() {
                    S::store_f32(result.as_mut_ptr().add(lane + reg * S::LANES), *sum);
                }
            }
        }
    }
}

/// Returns the pointer unchanged, opaquely to the compiler, which then keeps it in a register of its own. Otherwise it
/// would address each row by base and index, and on Intel processors a product with such an operand takes two
/// micro-operations instead of one.
#[inline(always)]
fn opaque<T>(pointer: *const T) -> *const T {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    let pointer = {
        let mut same = pointer;
        #[allow(clippy::pointers_in_nomem_asm_block, reason = "the block has no code")]
        // SAFETY: the block has no code.
        unsafe {
            std::arch::asm!("/* {} */", inout(reg) same, options(nomem, nostack, preserves_flags))
        };
        same
    };
    pointer
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

    /// Loads `REGS` registers of vector `index`.
    #[inline(always)]
    unsafe fn load_vector<S: Simd, L: Layout, const REGS: usize>(&self, index: usize) -> [S::Ints; REGS] {
        // SAFETY: as the caller guarantees.
        unsafe {
            let mut vector = [S::splat_i32(0); REGS];
            for (reg, quants) in vector.iter_mut().enumerate() {
                let at = reg * S::LANES * 4;
                *quants = L::load_vector::<S>(self.quants.add(at), self.low_nibbles.wrapping_add(at), index);
            }
            vector
        }
    }

    /// Adds the group's products to the sums of the rows from `first_row` on. `inputs` point to the rows' quants of
    /// these columns.
    #[inline(always)]
    unsafe fn accumulate<S: Simd, L: Layout, const ADDS_MIN: bool, const REGS: usize, const ROWS: usize>(
        &self,
        x: ProductRows,
        first_row: usize,
        inputs: &[*const i8; ROWS],
        sums: &mut [[S::Floats; REGS]; ROWS],
    ) {
        // Index of the first row's per-group values.
        let at = self.index * x.count + first_row;
        // Number of vectors that are added up in 16 bits before they are widened; 0 if each is widened at once.
        let i16_vectors =
            if S::HAS_MADD_I16 && !L::IS_SPLIT { max_i16_vectors(L::BITS).min(L::GROUP_COLUMNS / 4) } else { 0 };
        // SAFETY: as the caller guarantees.
        unsafe {
            let zero_point = splat_byte::<S>(self.panel.zero_point);
            let mut dots = [[S::splat_i32(0); REGS]; ROWS];
            if !S::SIGNED_DOT || i16_vectors > 0 {
                for (r, dots) in dots.iter_mut().enumerate() {
                    *dots = [S::splat_i32(*x.initial_sums.add(at + r)); REGS];
                }
            }
            let mut i16_sums = [[S::splat_i32(0); REGS]; ROWS];
            for_each_vector!(L, V => {
                let w = self.load_vector::<S, L, REGS>(V);
                for (r, x) in inputs.iter().copied().enumerate() {
                    if i16_vectors == 0 {
                        S::dot_many::<REGS, { V * 4 }>(&mut dots[r], w, zero_point, x);
                    } else if V.is_multiple_of(i16_vectors) {
                        i16_sums[r] = S::madd_i16_first::<REGS, { V * 4 }>(w, x);
                    } else {
                        S::madd_i16::<REGS, { V * 4 }>(&mut i16_sums[r], w, x);
                    }
                }
                if i16_vectors > 0 && (V + 1usize).is_multiple_of(i16_vectors) {
                    for r in 0..ROWS {
                        for (dot, pairs) in dots[r].iter_mut().zip(i16_sums[r]) {
                            *dot = S::add_i16_pairs(*dot, pairs);
                        }
                    }
                }
            });
            for reg in 0..REGS {
                let scale = self.load_scale::<S>(reg);
                for r in 0..ROWS {
                    let factor = S::mul(scale, S::splat_f32(*x.scales.add(at + r)));
                    sums[r][reg] = S::mul_add(S::to_f32(dots[r][reg]), factor, sums[r][reg]);
                }
                if ADDS_MIN {
                    let min = self.load_min::<S>(reg, scale);
                    for (r, sums) in sums.iter_mut().enumerate() {
                        let value_sum = S::splat_f32(*x.value_sums.add(at + r));
                        sums[reg] = S::mul_add(min, value_sum, sums[reg]);
                    }
                }
            }
        }
    }

    /// Loads the group's scales for the outputs of register `reg`.
    #[inline(always)]
    unsafe fn load_scale<S: Simd>(&self, reg: usize) -> S::Floats {
        let lane = self.lane + reg * S::LANES;
        // SAFETY: as the caller guarantees.
        unsafe {
            let scale = S::load_f16(self.panel.scales.add(self.block * PANEL + lane));
            if self.panel.sub_scales.is_null() {
                scale
            } else {
                S::mul(scale, S::load_i8(self.panel.sub_scales.add(self.index * PANEL + lane)))
            }
        }
    }

    /// Loads the group's mins for the outputs of register `reg`, or computes them from the offset and the `scale`.
    #[inline(always)]
    unsafe fn load_min<S: Simd>(&self, reg: usize, scale: S::Floats) -> S::Floats {
        let lane = self.lane + reg * S::LANES;
        // SAFETY: as the caller guarantees.
        unsafe {
            if self.panel.mins.is_null() {
                return S::mul(scale, S::splat_f32(self.panel.offset));
            }
            let min = S::load_f16(self.panel.mins.add(self.block * PANEL + lane));
            if self.panel.sub_mins.is_null() {
                min
            } else {
                S::mul(min, S::load_u8(self.panel.sub_mins.add(self.index * PANEL + lane)))
            }
        }
    }
}
