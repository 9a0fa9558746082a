import { JinjaError, pythonError, typeError, unsupported, valueError } from './errors.js'
import { charge, requireLength } from './meter.js'
import { blank } from './text.js'
import { isNumber, typeName, type Value } from './values.js'

/** Largest number of digits for which Python converts an int from or to text. */
const mostDigits = 4300

/** Writes a float as Python's `repr` does. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  const [mantissa, exponent] = value.toExponential().split('e') as [string, string]
  const [sign, digits] = [Object.is(value, -0) || value < 0 ? '-' : '', mantissa.replace(/[-.]/g, '')]
  const power = Number(exponent)
  if (power < -4 || power >= 16) {
    const two = String(Math.abs(power)).padStart(2, '0')
    return `${sign}${digits[0]!}${digits.length > 1 ? `.${digits.slice(1)}` : ''}e${power < 0 ? '-' : '+'}${two}`
  }
  if (power < 0) return `${sign}0.${'0'.repeat(-power - 1)}${digits}`
  const whole = digits.padEnd(power + 1, '0')
  return `${sign}${whole.slice(0, power + 1)}.${whole.slice(power + 1) || '0'}`
}

export function intText(value: bigint): string {
  const text = String(value)
  if (text.length > mostDigits + 1)
    throw valueError(`Exceeds the limit (${mostDigits} digits) for integer string conversion`)
  return text
}

/** Converts an int, True or False to an int. */
export const asInt = (value: bigint | boolean): bigint => BigInt(value)

/** Converts to a float. @throws JinjaError OverflowError for an int that is too large */
export function asFloat(value: bigint | boolean | number): number {
  if (typeof value === 'number') return value
  const float = Number(value)
  if (!Number.isFinite(float)) throw pythonError('OverflowError', 'int too large to convert to float')
  return float
}

/** Python's arithmetic operators for two numbers. */
export function arithmetic(operator: string, left: Value, right: Value): Value {
  if (!isNumber(left) || !isNumber(right))
    throw typeError(`unsupported operand type(s) for ${operator}: '${typeName(left)}' and '${typeName(right)}'`)
  if (typeof left === 'number' || typeof right === 'number') return floats(operator, asFloat(left), asFloat(right))
  return ints(operator, asInt(left), asInt(right))
}

const divisionByZero = (what: string) => pythonError('ZeroDivisionError', what)

function ints(operator: string, a: bigint, b: bigint): Value {
  const bits = bitLength(a) + bitLength(b)
  charge(bits / 64)
  switch (operator) {
    case '+':
      return a + b
    case '-':
      return a - b
    case '*':
      requireLength(bits)
      return a * b
    case '/':
      if (b === 0n) throw divisionByZero('division by zero')
      return quotient(a, b)
    case '//':
      if (b === 0n) throw divisionByZero('integer division or modulo by zero')
      return floorDivide(a, b)
    case '%':
      if (b === 0n) throw divisionByZero('integer modulo by zero')
      return a - floorDivide(a, b) * b
    default:
      if (b < 0n) return floats('**', asFloat(a), asFloat(b))
      if (b * BigInt(bitLength(a)) > 1n << 18n && a !== 1n && a !== -1n && a !== 0n)
        throw new JinjaError('bound', 'it makes a number of more than 262144 bits')
      return a ** b
  }
}

const bitLength = (value: bigint): number => {
  if (value >= -(2n ** 53n) && value <= 2n ** 53n) return 53
  return (value < 0n ? -value : value).toString(16).length * 4
}

export function floorDivide(a: bigint, b: bigint): bigint {
  const whole = a / b
  return whole * b !== a && a < 0n !== b < 0n ? whole - 1n : whole
}

/** The float nearest to a / b. */
function quotient(a: bigint, b: bigint): number {
  const most = 2n ** 53n
  if (a <= most && a >= -most && b <= most && b >= -most) return Number(a) / Number(b)
  // 66 bits, the last of which is set if a remainder is left: the conversion to a float then rounds only once.
  const shift = BigInt(Math.max(0, 66 - (bitLength(a) - bitLength(b))))
  const [top, bottom] = [(a < 0n ? -a : a) << shift, b < 0n ? -b : b]
  const whole = top / bottom
  const float = Number(whole * bottom === top ? whole : whole | 1n) / 2 ** Number(shift)
  if (!Number.isFinite(float)) throw pythonError('OverflowError', 'integer division result too large for a float')
  return a < 0n !== b < 0n ? -float : float
}

function floats(operator: string, a: number, b: number): number {
  switch (operator) {
    case '+':
      return a + b
    case '-':
      return a - b
    case '*':
      return a * b
    case '/':
      if (b === 0) throw divisionByZero('float division by zero')
      return a / b
    case '%':
      if (b === 0) throw divisionByZero('float modulo')
      return modulo(a, b)
    case '//': {
      if (b === 0) throw divisionByZero('float floor division by zero')
      const rest = a % b
      const whole = (a - rest) / b - (rest !== 0 && b < 0 !== rest < 0 ? 1 : 0)
      if (whole === 0) return a / b < 0 || Object.is(a / b, -0) ? -0 : 0
      const floor = Math.floor(whole)
      return whole - floor > 0.5 ? floor + 1 : floor
    }
    default: {
      if (a === 0 && b < 0) throw divisionByZero('0.0 cannot be raised to a negative power')
      if (a < 0 && Number.isFinite(a) && Number.isFinite(b) && !Number.isInteger(b))
        throw unsupported('a complex number')
      // For these, Python returns 1 and JavaScript NaN.
      if (a === 1 || (a === -1 && !Number.isFinite(b) && !Number.isNaN(b))) return 1
      const power = a ** b
      if (!Number.isFinite(power) && Number.isFinite(a) && Number.isFinite(b))
        throw pythonError('OverflowError', 'Numerical result out of range')
      return power
    }
  }
}

function modulo(a: number, b: number): number {
  const rest = a % b
  if (rest === 0) return b < 0 || Object.is(b, -0) ? -0 : 0
  return b < 0 !== rest < 0 ? rest + b : rest
}

/** A float times 10 to the power `power`, rounded to an int, with halves to even. */
export function scaledInt(value: number, power: number): bigint {
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, value)
  const bits = view.getBigUint64(0)
  const exponent = Number((bits >> 52n) & 0x7ffn)
  const fraction = bits & 0xfffffffffffffn
  let top = exponent === 0 ? fraction : fraction | (1n << 52n)
  let bottom = 1n
  const shift = (exponent === 0 ? 1 : exponent) - 1075
  if (shift > 0) top <<= BigInt(shift)
  else bottom <<= BigInt(-shift)
  if (power > 0) top *= 10n ** BigInt(power)
  else bottom *= 10n ** BigInt(-power)
  return (value < 0 ? -1n : 1n) * halfEven(top, bottom)
}

function halfEven(top: bigint, bottom: bigint): bigint {
  const whole = top / bottom
  const twice = 2n * (top - whole * bottom)
  return twice > bottom || (twice === bottom && whole % 2n === 1n) ? whole + 1n : whole
}

/** Python's `round(value, digits)`. */
export function round(value: bigint | boolean | number, digits: number): Value {
  if (typeof value !== 'number') {
    if (digits >= 0) return asInt(value)
    if (digits < -mostDigits) return 0n
    const unit = 10n ** BigInt(-digits)
    const int = asInt(value)
    return (int < 0n ? -1n : 1n) * halfEven(int < 0n ? -int : int, unit) * unit
  }
  if (!Number.isFinite(value) || digits > 323) return value
  if (digits < -308) return value < 0 || Object.is(value, -0) ? -0 : 0
  const int = scaledInt(value, digits)
  if (int === 0n) return value < 0 || Object.is(value, -0) ? -0 : 0
  return Number(`${int}e${-digits}`)
}

const ends = new RegExp(`^[${blank}]+|[${blank}]+$`, 'g')

/** Python's `int(text, base)`. @throws JinjaError ValueError */
export function parseInt10(text: string, base: number): bigint {
  const bad = () => valueError(`invalid literal for int() with base ${base}`)
  if (base !== 0 && (base < 2 || base > 36)) throw valueError('int() base must be >= 2 and <= 36, or 0')
  if (/\p{Nd}/u.test(text.replace(/[0-9]/g, ''))) throw unsupported('a number in other digits than 0 to 9')
  const match = /^([+-]?)(0[xX](?=_?)|0[oO]|0[bB])?_?(\w+)$/.exec(text.replace(ends, ''))
  if (!match) throw bad()
  const [, sign, prefix, digits = ''] = match
  const prefixBase = { x: 16, o: 8, b: 2 }[prefix?.[1]?.toLowerCase() ?? ''] ?? 0
  // In base 16 and above, 0b is a digit, too.
  const used = prefix !== undefined && (prefixBase === base || base === 0)
  const radix = used ? prefixBase : base === 0 ? 10 : base
  const rest = used ? digits : text.replace(ends, '').replace(/^[+-]/, '')
  if (base === 0 && !used && /^0[0_]*[1-9]/.test(rest)) throw bad()
  if (!/^[0-9a-zA-Z]+(_[0-9a-zA-Z]+)*$/.test(rest)) throw bad()
  const clean = rest.replace(/_/g, '')
  if (clean.length > mostDigits)
    throw valueError(`Exceeds the limit (${mostDigits} digits) for integer string conversion`)
  let value = 0n
  for (const digit of clean) {
    const number = Number.parseInt(digit, 36)
    if (number >= radix) throw bad()
    value = value * BigInt(radix) + BigInt(number)
  }
  return sign === '-' ? -value : value
}

/** Python's `float(text)`. @throws JinjaError ValueError */
export function parseFloatText(text: string): number {
  const trimmed = text.replace(ends, '')
  if (/\p{Nd}/u.test(trimmed.replace(/[0-9]/g, ''))) throw unsupported('a number in other digits than 0 to 9')
  const named = /^([+-]?)(inf|infinity|nan)$/i.exec(trimmed)
  if (named) return /nan/i.test(named[2]!) ? Number.NaN : named[1] === '-' ? -Infinity : Infinity
  if (!/^[+-]?(\d+(_\d+)*\.?(\d+(_\d+)*)?|\.\d+(_\d+)*)(e[+-]?\d+(_\d+)*)?$/i.test(trimmed))
    throw valueError('could not convert string to float')
  return Number(trimmed.replace(/_/g, ''))
}
