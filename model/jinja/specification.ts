import { unsupported, valueError } from './errors.js'
import { requireLength } from './meter.js'
import { scaledInt } from './numbers.js'
import { length } from './text.js'

/** The layout of a formatted value: what `%-5.2f` and `{:<5.2f}` have in common. */
export interface Layout {
  readonly fill: string
  readonly align: '<' | '>' | '^' | '='
  readonly width: number
}

/** @throws JinjaError of the kind `bound` for a text that would be too long */
export function laidOut(sign: string, body: string, { fill, align, width }: Layout): string {
  const missing = width - length(sign + body)
  if (missing <= 0) return sign + body
  requireLength(missing)
  const left = align === '<' ? 0 : align === '^' ? Math.floor(missing / 2) : missing
  if (align === '=') return sign + fill.repeat(missing) + body
  return fill.repeat(left) + sign + body + fill.repeat(missing - left)
}

/** Writes a float without its sign, with `digits` decimal places. */
export function fixed(value: number, digits: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return 'inf'
  if (digits > 1000) throw unsupported(`a number with ${digits} decimal places`)
  const int = scaledInt(Math.abs(value), digits)
  const text = String(int).padStart(digits + 1, '0')
  return digits === 0 ? text : `${text.slice(0, -digits)}.${text.slice(-digits)}`
}

/** The sign of a number for the sign options `+`, `-` and space. */
export const signOf = (negative: boolean, asked: string): string =>
  negative ? '-' : asked === '+' ? '+' : asked === ' ' ? ' ' : ''

/** Writes an int without its sign, in the base of a format letter. */
export function inBase(value: bigint, type: string): string {
  const size = value < 0n ? -value : value
  const text = size.toString(type === 'x' || type === 'X' ? 16 : type === 'o' ? 8 : type === 'b' ? 2 : 10)
  return type === 'X' ? text.toUpperCase() : text
}

/** Returns a character by its code point. */
export function character(value: bigint): string {
  if (value < 0n || value > 0x10ffffn) throw valueError('%c arg not in range(0x110000)')
  return String.fromCodePoint(Number(value))
}
