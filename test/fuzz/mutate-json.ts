import type { Choices } from './choices.js'
import { changedText } from './mutate-text.js'
import { oddNames, oddNumbers, oddValue, put } from './odd-values.js'

/** JSON of a changed value; now and then a changed text of it. */
export function jsonText(value: unknown, choices: Choices): string {
  const written = textOf(mutateJson(value, choices))
  if (choices.chance(0.02)) return withKeyTwice(written, choices)
  return choices.chance(0.08) ? changedText(written.slice(0, 100_000), choices) : written
}

/** JSON.stringify has no room for what is nested deeper than it can go: that is a text, too. */
function textOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? 'null'
  } catch {
    return '[{"a":'.repeat(20_000)
  }
}

/** The text with one of its keys in two places of an object, which JSON.parse accepts. */
function withKeyTwice(text: string, choices: Choices): string {
  const keys = [...text.slice(0, 10_000).matchAll(/"(?:[^"\\]|\\.)*":/g)]
  if (keys.length === 0) return text
  const { 0: key, index } = choices.of(keys)
  return `${text.slice(0, index)}${key}${choices.of(['0', 'null', '"x"', '{}', '[]', '[0,24]'])},${text.slice(index)}`
}

/** A copy of plain data with a few values changed, removed, repeated or exchanged. Mostly it stays as it was. */
export function mutateJson(value: unknown, choices: Choices): unknown {
  let copy = structuredClone(value)
  for (let changes = choices.of([1, 1, 1, 2, 3, 8]); changes > 0; changes--) {
    // Parts that occur several times are changed together, and may grow far beyond what was there.
    const next = changeOne(structuredClone(copy), choices)
    if (sizeOf(next) === Infinity) break
    copy = next
  }
  return copy
}

/** Data that is as large or deep as this is changed no further. */
const [mostParts, mostDepth] = [200_000, 1500]

/** Characters and other values in plain data; infinite beyond these bounds. */
function sizeOf(root: unknown): number {
  let parts = 0
  const open: [value: unknown, depth: number][] = [[root, 0]]
  for (let next = open.pop(); next; next = open.pop()) {
    const [value, depth] = next
    parts += typeof value === 'string' ? value.length : 1
    if (parts > mostParts || depth > mostDepth) return Infinity
    if (typeof value === 'object' && value !== null)
      for (const part of Object.values(value)) open.push([part, depth + 1])
  }
  return parts
}

function changeOne(root: unknown, choices: Choices): unknown {
  const places = placesIn(root)
  if (places.length === 0) return oddValue(choices)
  const [holder, key] = choices.of(places)
  const [otherHolder, otherKey] = choices.of(places)
  const value = holder[key]
  const other = otherHolder[otherKey]
  switch (choices.below(9)) {
    case 0: // left out
      if (Array.isArray(holder)) holder.splice(Number(key), 1)
      else delete holder[key]
      break
    case 1: // another part of the data in its place: lists in lists, a layer as a number
      put(holder, key, structuredClone(other))
      break
    case 2: // twice
      if (Array.isArray(holder)) holder.splice(Number(key), 0, structuredClone(value))
      else put(holder, choices.of(oddNames), value)
      break
    case 3: // exchanged
      put(holder, key, structuredClone(other))
      if (otherHolder[otherKey] !== undefined) put(otherHolder, otherKey, structuredClone(value))
      break
    case 4: // of its kind, but another
    case 5:
    case 6:
      put(holder, key, alike(value, choices))
      break
    default:
      put(holder, key, oddValue(choices))
  }
  return root
}

/** Another value of the same kind. */
function alike(value: unknown, choices: Choices): unknown {
  if (typeof value === 'number')
    return choices.chance(0.5)
      ? choices.of(oddNumbers)
      : choices.of([value * -1, value * 2, value / 2, value + 1, value - 1, value + 0.5, value * 1e9])
  if (typeof value === 'boolean') return !value
  if (typeof value === 'string') return changedText(value.slice(0, 10_000), choices)
  if (Array.isArray(value)) {
    if (value.length === 0) return [oddValue(choices)]
    const one: unknown = choices.of(value)
    const many = Math.min(choices.size(5000), Math.ceil(mostParts / sizeOf(one)))
    return choices.chance(0.5) ? value.slice(choices.below(value.length)) : Array.from({ length: many }, () => one)
  }
  return oddValue(choices)
}

type Holder = Record<string, unknown> & unknown[]

/** Every place of a value in plain data; of much data, some. */
function placesIn(root: unknown): [Holder, string][] {
  const places: [Holder, string][] = []
  const open: unknown[] = [root]
  while (open.length > 0 && places.length < 2000) {
    const holder = open.pop()
    if (typeof holder !== 'object' || holder === null) continue
    for (const key of Object.keys(holder).slice(0, 200)) {
      places.push([holder as Holder, key])
      open.push((holder as Holder)[key])
    }
  }
  return places
}
