import { byteToken } from './unigram.js'

/** The part of the library's byte pair encoding that is used here (its types do not resolve under Node's module rules). */
export interface Bpe {
  readonly tokens_to_ids: ReadonlyMap<string, number>
  readonly vocab: readonly (string | undefined)[]
  readonly unk_token: string | null | undefined
  readonly end_of_word_suffix: string | null | undefined
  readonly continuing_subword_suffix: string | null | undefined
  readonly byte_fallback: boolean
  readonly ignore_merges: boolean
  encode: (words: readonly string[]) => string[]
}

/** Returns the rank of a pair of neighbours. The pair with the lowest rank is joined first; pairs without a rank are never
 *  joined. */
export type Rank = (left: string, right: string) => number | undefined

/** Words of at least this many UTF-16 units are divided. The library caches the tokens of shorter ones. */
const long = 32

/** Parts of fewer units are joined by looking at all their pairs again and again, and remembered. */
const short = 64

/** Most parts, and most pairs, that are remembered. */
const mostKnown = 2 ** 16
const mostPairs = 2 ** 20

/**
 * Makes the library's byte pair encoding divide long words between characters that are not neighbours in any token, since
 * nothing is ever joined there. For a SentencePiece tokenizer a whole text is one word, and the library would create an object
 * for each of its characters. Long parts that cannot be divided are joined in arrays of numbers.
 */
export function fitLongWords(model: Bpe, rank: Rank): void {
  if (model.end_of_word_suffix || model.continuing_subword_suffix) return
  let neighbours: ReadonlySet<number> | undefined
  const pairs = new Pairs(rank)
  const known = new Map<string, readonly string[]>()
  const tokensOf = (part: string): readonly string[] => {
    const earlier = known.get(part)
    if (earlier) return earlier
    const tokens: string[] = []
    for (const token of pairs.short(part)) addKnown(model, token, tokens)
    if (known.size >= mostKnown) known.clear()
    known.set(part, tokens)
    return tokens
  }
  const encode = model.encode.bind(model)
  model.encode = (words) => {
    if (words.every(({ length }) => length < long)) return encode(words)
    const tokens: string[] = []
    const add = (some: readonly string[]) => {
      for (const token of some) tokens.push(token)
    }
    for (const word of words) {
      if (word.length < long || (model.ignore_merges && model.tokens_to_ids.has(word))) {
        add(encode([word]))
        continue
      }
      neighbours ??= neighboursIn(model.vocab)
      for (const part of divided(word, neighbours)) {
        if (part.length < short) add(tokensOf(part))
        else for (const token of joined(part, new Pairs(rank))) addKnown(model, token, tokens)
      }
    }
    return tokens
  }
}

/** Adds a token, or the byte tokens or the unknown token that stand for one outside the vocabulary. */
function addKnown(model: Bpe, token: string, tokens: string[]): void {
  if (model.tokens_to_ids.has(token)) {
    tokens.push(token)
    return
  }
  if (model.byte_fallback) {
    const bytes = Array.from(new TextEncoder().encode(token), byteToken)
    if (bytes.every((one) => model.tokens_to_ids.has(one))) {
      for (const one of bytes) tokens.push(one)
      return
    }
  }
  if (typeof model.unk_token === 'string') tokens.push(model.unk_token)
}

const pairOf = (left: number, right: number): number => left * 0x200000 + right

/** Finds the pairs of characters that are neighbours in a token. */
function neighboursIn(vocabulary: readonly (string | undefined)[]): ReadonlySet<number> {
  const pairs = new Set<number>()
  for (const token of vocabulary) {
    let before = -1
    for (const char of token ?? '') {
      const code = char.codePointAt(0)!
      if (before >= 0) pairs.add(pairOf(before, code))
      before = code
    }
  }
  return pairs
}

function* divided(word: string, neighbours: ReadonlySet<number>): Generator<string> {
  let [from, before] = [0, -1]
  for (let at = 0; at < word.length;) {
    const code = word.codePointAt(at)!
    if (before >= 0 && !neighbours.has(pairOf(before, code))) {
      yield word.slice(from, at)
      from = at
    }
    before = code
    at += code > 0xffff ? 2 : 1
  }
  yield word.slice(from)
}

/** The rank of a pair of symbols, and the symbol that they become. */
interface Join {
  readonly rank: number
  readonly into: number
}

/** Pairs of symbols, by numbers: a pair's rank is asked for once, whatever the number of times that it occurs. */
class Pairs {
  private readonly texts: string[] = []
  private readonly symbols = new Map<string, number>()
  private readonly joins = new Map<number, Join | null>()

  constructor(private readonly rank: Rank) {}

  symbolOf(text: string): number {
    let symbol = this.symbols.get(text)
    if (symbol === undefined) {
      symbol = this.texts.length
      this.symbols.set(text, symbol)
      this.texts.push(text)
    }
    return symbol
  }

  textOf(symbol: number): string {
    return this.texts[symbol]!
  }

  joinOf(left: number, right: number): Join | null {
    const pair = pairOf(left, right)
    let join = this.joins.get(pair)
    if (join === undefined) {
      const [first, second] = [this.texts[left]!, this.texts[right]!]
      const pairRank = this.rank(first, second)
      join = pairRank === undefined ? null : { rank: pairRank, into: this.symbolOf(first + second) }
      this.joins.set(pair, join)
    }
    return join
  }

  /** The tokens of a short part. The neighbours with the lowest rank are joined first; of several, the leftmost. */
  short(part: string): readonly string[] {
    if (this.joins.size >= mostPairs) {
      this.joins.clear()
      this.symbols.clear()
      this.texts.length = 0
    }
    const at = Array.from(part, (char) => this.symbolOf(char))
    for (;;) {
      let best: Join | null = null
      let place = 0
      for (let i = 0; i + 1 < at.length; i++) {
        const join = this.joinOf(at[i]!, at[i + 1]!)
        if (join && (!best || join.rank < best.rank)) [best, place] = [join, i]
      }
      if (!best) break
      at.splice(place, 2, best.into)
    }
    return at.map((symbol) => this.texts[symbol]!)
  }
}

/** Yields the tokens of a long word. The neighbours with the lowest rank are joined first; of several, the leftmost. */
function* joined(word: string, pairs: Pairs): Generator<string> {
  // Each place holds a symbol, until it is joined to the place before it.
  const at = new Int32Array(word.length)
  let count = 0
  for (const char of word) at[count++] = pairs.symbolOf(char)
  const next = new Int32Array(count)
  const before = new Int32Array(count)
  for (let place = 0; place < count; place++) [next[place], before[place]] = [place + 1, place - 1]
  const queue = new PlacesByRank()
  const offer = (place: number) => {
    const behind = next[place]!
    const join = behind < count ? pairs.joinOf(at[place]!, at[behind]!) : null
    if (join) queue.add(join.rank, place)
  }
  for (let place = 0; place < count; place++) offer(place)
  for (let first = queue.take(); first; first = queue.take()) {
    const { rank: own, place } = first
    const behind = at[place]! < 0 ? count : next[place]!
    const join = behind < count ? pairs.joinOf(at[place]!, at[behind]!) : null
    // One of the two has been joined with another symbol in the meantime.
    if (join?.rank !== own) continue
    at[place] = join.into
    at[behind] = -1
    next[place] = next[behind]!
    if (next[place] < count) before[next[place]] = place
    if (before[place]! >= 0) offer(before[place]!)
    offer(place)
  }
  for (let place = 0; place < count; place = next[place]!) yield pairs.textOf(at[place]!)
}

/** A queue of places by rank, and by place within a rank: one heap for each rank. */
class PlacesByRank {
  private readonly ranks: number[] = []
  private readonly places = new Map<number, PlaceHeap>()

  add(rank: number, place: number): void {
    let heap = this.places.get(rank)
    if (!heap) {
      this.places.set(rank, (heap = new PlaceHeap()))
      this.ranks.splice(this.indexOf(rank), 0, rank)
    }
    heap.push(place)
  }

  take(): { readonly rank: number; readonly place: number } | undefined {
    while (this.ranks.length > 0) {
      const rank = this.ranks.at(-1)!
      const heap = this.places.get(rank)!
      if (heap.size > 0) return { rank, place: heap.pop() }
      this.places.delete(rank)
      this.ranks.pop()
    }
    return undefined
  }

  /** The index of a rank in `ranks`, whose last entry is the lowest. */
  private indexOf(rank: number): number {
    let [low, high] = [0, this.ranks.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.ranks[middle]! > rank) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** A heap of numbers, the smallest first. */
class PlaceHeap {
  private items = new Int32Array(4)
  size = 0

  push(place: number): void {
    if (this.size === this.items.length) {
      const larger = new Int32Array(this.size * 2)
      larger.set(this.items)
      this.items = larger
    }
    const { items } = this
    let at = this.size++
    for (; at > 0; at = (at - 1) >> 1) {
      const parent = items[(at - 1) >> 1]!
      if (parent <= place) break
      items[at] = parent
    }
    items[at] = place
  }

  pop(): number {
    const { items } = this
    const first = items[0]!
    const last = items[--this.size]!
    let at = 0
    for (let child = 1; child < this.size; child = 2 * at + 1) {
      if (child + 1 < this.size && items[child + 1]! < items[child]!) child++
      if (items[child]! >= last) break
      items[at] = items[child]!
      at = child
    }
    items[at] = last
    return first
  }
}
