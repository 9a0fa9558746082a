import { basename, dirname, join } from 'node:path'

/** The name of a part of a split GGUF file, taken apart. */
export interface PartName {
  /** From 1. */
  readonly number: number
  readonly count: number
  /** Paths of all parts, in order. */
  readonly all: readonly string[]
}

/** llama.cpp counts parts in 16 bits. */
const mostParts = 65_535

/** Reads a name that `llama-gguf-split` gives, `NAME-00001-of-00003.gguf`; undefined for any other. */
export function partName(path: string): PartName | undefined {
  const [, stem, number, of] = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/.exec(basename(path)) ?? []
  if (stem === undefined) return undefined
  const [own, count] = [Number(number), Number(of)]
  if (!(own >= 1 && own <= count && count <= mostParts)) return undefined
  const five = (n: number) => String(n).padStart(5, '0')
  const all = Array.from({ length: count }, (_, i) => join(dirname(path), `${stem}-${five(i + 1)}-of-${of}.gguf`))
  return { number: own, count, all }
}
