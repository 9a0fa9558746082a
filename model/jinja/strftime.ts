import { unsupported } from './errors.js'
import { entryOf, shown } from '../../errors/foreign.js'

const months = 'January February March April May June July August September October November December'.split(' ')
const days = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ')

/** Writes a date as Python's strftime does, in English and UTC.
 *  @throws JinjaError for an unsupported directive */
export function strftime(date: Date, format: string): string {
  const [year, month, day, weekday] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate(), date.getUTCDay()]
  const [hours, minutes, seconds] = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()]
  const yearDay = Math.floor((Date.UTC(year, month, day) - Date.UTC(year, 0, 1)) / 86_400_000)
  const half = hours < 12 ? 'AM' : 'PM'
  const numbers: Readonly<Record<string, readonly [value: number, width: number, fill?: string]>> = {
    Y: [year, 1],
    y: [year % 100, 2],
    C: [Math.floor(year / 100), 2],
    m: [month + 1, 2],
    d: [day, 2],
    e: [day, 2, ' '],
    H: [hours, 2],
    k: [hours, 2, ' '],
    I: [hours % 12 || 12, 2],
    l: [hours % 12 || 12, 2, ' '],
    M: [minutes, 2],
    S: [seconds, 2],
    f: [date.getUTCMilliseconds() * 1000, 6],
    j: [yearDay + 1, 3],
    w: [weekday, 1],
    u: [weekday || 7, 1],
    U: [Math.floor((yearDay + 7 - weekday) / 7), 2],
    W: [Math.floor((yearDay + 7 - ((weekday + 6) % 7)) / 7), 2],
  }
  const whole: Readonly<Record<string, string>> = {
    c: '%a %b %e %H:%M:%S %Y',
    D: '%m/%d/%y',
    F: '%Y-%m-%d',
    r: '%I:%M:%S %p',
    R: '%H:%M',
    T: '%H:%M:%S',
    x: '%m/%d/%y',
    X: '%H:%M:%S',
  }
  const texts: Readonly<Record<string, string>> = {
    B: months[month]!,
    b: months[month]!.slice(0, 3),
    h: months[month]!.slice(0, 3),
    A: days[weekday]!,
    a: days[weekday]!.slice(0, 3),
    p: half,
    P: half.toLowerCase(),
    n: '\n',
    t: '\t',
    // Python's `datetime.now()` has no time zone.
    Z: '',
    z: '',
    '%': '%',
  }
  return format.replace(/%(-?)([\s\S]|$)/g, (found, bare: string, letter: string) => {
    const number = entryOf(numbers, letter)
    if (number) return String(number[0]).padStart(bare ? 1 : number[1], number[2] ?? '0')
    const inside = entryOf(whole, letter)
    const text = bare ? undefined : (entryOf(texts, letter) ?? (inside && strftime(date, inside)))
    if (text === undefined) throw unsupported(`${shown(found)} in strftime_now()`)
    return text
  })
}
