//! What may lie in storage of atomic words.

/// Items that are nothing but their bits, and small enough to lie inside one 64-bit word.
///
/// A stereo frame of 16-bit samples, say, is four bytes and lies two to a word:
///
/// ```
/// use pcmflow_core::broadcast::{BroadcastRing, Plain};
/// #[derive(Clone, Copy, Debug, PartialEq)]
/// #[repr(C)]
/// struct Stereo { left: i16, right: i16 }
/// // SAFETY: four bytes, without padding, and any bits are two samples.
/// unsafe impl Plain for Stereo {}
/// let (mut writer, mut reader) = BroadcastRing::with_capacity(4)?.split();
/// writer.write(&[Stereo { left: 1, right: -1 }]);
/// let mut out = [Stereo { left: 0, right: 0 }; 4];
/// assert_eq!(reader.read(&mut out).count, 1);
/// assert_eq!(out[0], Stereo { left: 1, right: -1 });
/// # Ok::<(), pcmflow_core::ring::RingError>(())
/// ```
///
/// # Safety
/// - The type has no padding and no pointers: each of its bytes is always initialised and means the same to every thread.
/// - Every pattern of bits is a value of it.
/// - Its size is 1, 2, 4 or 8 bytes; another size does not compile where a ring of it is made.
pub unsafe trait Plain: Copy + Send + Sync + 'static {}

macro_rules! plain {
    ($($number:ty)*) => {$(
        // SAFETY: a number of 1, 2, 4 or 8 bytes, all of them its value.
        unsafe impl Plain for $number {}
    )*};
}
plain!(u8 i8 u16 i16 u32 i32 f32 u64 i64 f64);
