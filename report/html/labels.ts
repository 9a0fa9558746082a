import * as Plot from '@observablehq/plot'

/** A point of a chart, with the text beside it. */
export interface Labelled {
  readonly x: number
  readonly y: number
  /** Absent where there is none: the point keeps its place free all the same. */
  readonly text?: string | undefined
  /** Confidence interval of `x`, a bar on which no text is to lie. */
  readonly interval?: readonly number[] | undefined
}

/** A chart that is drawn, as far as is used of it. */
export interface Drawn {
  scale(name: 'x' | 'y'): { readonly range?: Iterable<number>; readonly apply: (value: number) => number } | undefined
}

/** What a label or a point covers, in pixels. */
interface Box {
  readonly left: number
  readonly right: number
  readonly top: number
  readonly bottom: number
}

/** Where a label may be, from its point: in this order. */
const places = [
  { dx: 9, dy: 0, textAnchor: 'start' },
  { dx: -9, dy: 0, textAnchor: 'end' },
  { dx: 0, dy: -14, textAnchor: 'middle' },
  { dx: 0, dy: 15, textAnchor: 'middle' },
  { dx: 9, dy: -14, textAnchor: 'start' },
  { dx: 9, dy: 15, textAnchor: 'start' },
  { dx: -9, dy: -14, textAnchor: 'end' },
  { dx: -9, dy: 15, textAnchor: 'end' },
] as const
type Place = (typeof places)[number]

/** Legible on lines, too. */
const ink = { fill: 'currentColor', stroke: 'var(--page)', strokeWidth: 4 } as const

/** Pixels of a character of the charts' font, about, of half a line, and of a point's radius. */
const [character, halfLine, radius] = [7, 8, 6]

/**
 * Texts beside points so that none lies on another, on another's point or beyond the chart. Points that are in the same place share
 * a text; one for which there is no room goes without.
 * @param drawn  the chart without them: its scales say where points are
 */
export function labels(drawn: Drawn, width: number, points: readonly Labelled[]): Plot.Markish[] {
  const [x, y] = [drawn.scale('x')!, drawn.scale('y')!]
  const at = (point: Labelled) => ({ x: x.apply(point.x), y: y.apply(point.y) })
  const [columns, rows] = [[...(x.range ?? [])], [...(y.range ?? [])]]
  const area = {
    ...{ left: Math.min(...columns), right: width },
    ...{ top: Math.min(...rows) - halfLine, bottom: Math.max(...rows) },
  }
  const taken: Box[] = points.flatMap((own) => [
    around(at(own), radius),
    ...(own.interval ? [bar(own.interval.map(x.apply), at(own).y)] : []),
  ])
  const shared = new Map<string, { point: Labelled; texts: string[] }>()
  for (const point of points) {
    if (point.text === undefined) continue
    const { x, y } = at(point)
    const key = `${Math.round(x)} ${Math.round(y)}`
    const there = shared.get(key) ?? { point, texts: [] }
    shared.set(key, { point: there.point, texts: [...there.texts, point.text] })
  }
  return [...shared.values()].flatMap(({ point, texts }) => {
    const text = texts.join(', ')
    const own = around(at(point), radius)
    const others = taken.filter((box) => !isSame(box, own))
    const place = places.find((place) => {
      const box = boxOf(text, at(point), place)
      return isWithin(box, area) && !others.some((other) => covers(other, box))
    })
    if (!place) return []
    taken.push(boxOf(text, at(point), place))
    return [Plot.text([point], { x: 'x', y: 'y', text: () => text, ...place, ...ink })]
  })
}

const around = ({ x, y }: { readonly x: number; readonly y: number }, r: number): Box => ({
  ...{ left: x - r, right: x + r, top: y - r, bottom: y + r },
})

const bar = ([left = 0, right = 0]: readonly number[], y: number): Box => ({
  ...{ left, right, top: y - 1, bottom: y + 1 },
})

function boxOf(text: string, { x, y }: { readonly x: number; readonly y: number }, { dx, dy, textAnchor }: Place): Box {
  const width = character * text.length
  const left = x + dx - { start: 0, middle: width / 2, end: width }[textAnchor]
  return { left, right: left + width, top: y + dy - halfLine, bottom: y + dy + halfLine }
}

const isSame = (a: Box, b: Box): boolean => Math.abs(a.left - b.left) < 1 && Math.abs(a.top - b.top) < 1

const isWithin = (a: Box, b: Box): boolean =>
  a.left >= b.left && a.right <= b.right && a.top >= b.top && a.bottom <= b.bottom

const covers = (a: Box, b: Box): boolean => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom
