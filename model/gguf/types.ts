/** Types of the values of a GGUF file's keys, with their numbers in the file. */
export const valueTypes = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  array: 9,
  u64: 10,
  i64: 11,
  f64: 12,
} as const
export type ValueType = keyof typeof valueTypes

/** The layout of a tensor type in a GGUF file. Rows consist of whole blocks. */
export interface TensorType {
  /** The number for the type in the file. */
  readonly number: number
  /** Number of values in a block; 1 for types without blocks. */
  readonly values: number
  /** Size of a block in bytes. */
  readonly bytes: number
}

/** The tensor types that can be read.
 *  @source ggml's block layouts: https://github.com/ggml-org/ggml, src/ggml-common.h */
export const tensorTypes = {
  F32: { number: 0, values: 1, bytes: 4 },
  F16: { number: 1, values: 1, bytes: 2 },
  Q4_0: { number: 2, values: 32, bytes: 18 },
  Q4_1: { number: 3, values: 32, bytes: 20 },
  Q5_0: { number: 6, values: 32, bytes: 22 },
  Q5_1: { number: 7, values: 32, bytes: 24 },
  Q8_0: { number: 8, values: 32, bytes: 34 },
  Q4_K: { number: 12, values: 256, bytes: 144 },
  Q5_K: { number: 13, values: 256, bytes: 176 },
  Q6_K: { number: 14, values: 256, bytes: 210 },
  BF16: { number: 30, values: 1, bytes: 2 },
} as const satisfies Readonly<Record<string, TensorType>>
export type TensorTypeName = keyof typeof tensorTypes

/** Types of a tokenizer's tokens, with their numbers in `tokenizer.ggml.token_type`. */
export const tokenTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const

/** The data, and each tensor in it, begins at a multiple of this many bytes, unless `general.alignment` says otherwise. */
export const defaultAlignment = 32

/** The character that SentencePiece writes for a space. */
export const space = '▁'
