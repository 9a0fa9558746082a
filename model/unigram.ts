/** A node of the library's trie of pieces, with the id of the piece that ends here. */
interface Node {
  readonly children: ReadonlyMap<string, Node>
  piece?: number
}

/** The part of the library's Unigram model that is used here (its types do not resolve under Node's module rules). */
export interface Unigram {
  readonly vocab: readonly string[]
  readonly scores: readonly number[]
  readonly unk_score: number
  readonly unk_token_id: number | undefined
  readonly tokens_to_ids: ReadonlyMap<string, number>
  readonly trie: { readonly root: Node }
  readonly config: { readonly byte_fallback?: boolean }
  _call: (words: readonly string[]) => string[]
}

/** Number of UTF-16 units after which decided tokens are written. */
const window = 1 << 16
const unknown = -1

/**
 * Makes the library's Unigram model work in arrays of numbers that cover only as much text as pieces can span: the library
 * creates objects for a whole text, hundreds of bytes for each character. Of two equally likely ways to write a text, it takes
 * the one whose last piece is longer, as Hugging Face's `tokenizers` does.
 */
export function fitUnigram(model: Unigram): void {
  for (const [text, id] of model.tokens_to_ids) {
    let node: Node | undefined = model.trie.root
    for (const char of text) node = node?.children.get(char)
    if (node) node.piece = id
  }
  model._call = (words) => {
    const tokens: string[] = []
    for (const word of words) new Lattice(model, word, tokens).write()
    return tokens
  }
}

/** The best way to write each prefix of a word. */
class Lattice {
  /** Place in the text where the arrays begin. */
  private base = 0
  private scores: Float64Array
  private starts: Int32Array
  private pieces: Int32Array

  constructor(
    private readonly model: Unigram,
    private readonly text: string,
    private readonly tokens: string[],
  ) {
    // A text may have a hundred thousand words of a few characters.
    const size = Math.min(2 * window, text.length + 1)
    this.scores = new Float64Array(size)
    this.starts = new Int32Array(size)
    this.pieces = new Int32Array(size)
  }

  write(): void {
    const { text } = this
    this.starts.fill(-1)
    /** End of the longest piece that begins before `at`. */
    let reach = 0
    for (let at = 0; at < text.length;) {
      // No piece spans this place, so everything before it is decided.
      if (reach === at && at - this.base >= window) this.decide(at)
      const size = text.codePointAt(at)! > 0xffff ? 2 : 1
      // Pieces begin only at characters, and every character can be reached.
      reach = Math.max(reach, this.extend(at, size))
      at += size
    }
    this.decide(text.length)
  }

  /** Adds the pieces that begin at a place. @returns where the longest ends */
  private extend(at: number, size: number): number {
    const { model, text } = this
    const score = this.scores[at - this.base]!
    let node: Node | undefined = model.trie.root
    let [end, last, single] = [at, at + size, false]
    while (end < text.length) {
      const width = text.codePointAt(end)! > 0xffff ? 2 : 1
      node = node.children.get(width === 1 ? text[end]! : text.slice(end, end + 2))
      if (!node) break
      end += width
      if (node.piece === undefined) continue
      this.offer(at, end, score + model.scores[node.piece]!, node.piece)
      single ||= end === at + size
      last = Math.max(last, end)
    }
    if (!single) this.offer(at, at + size, score + model.unk_score, unknown)
    return last
  }

  private offer(from: number, to: number, score: number, piece: number): void {
    const at = to - this.base
    if (at >= this.starts.length) this.grow()
    if (this.starts[at] !== -1 && !(score > this.scores[at]!)) return
    this.scores[at] = score
    this.starts[at] = from - this.base
    this.pieces[at] = piece
  }

  private grow(): void {
    const larger = <T extends Float64Array | Int32Array>(made: T, old: T): T => {
      made.set(old)
      return made
    }
    const length = this.starts.length * 2
    const before = this.starts.length
    this.scores = larger(new Float64Array(length), this.scores)
    this.starts = larger(new Int32Array(length), this.starts).fill(-1, before)
    this.pieces = larger(new Int32Array(length), this.pieces)
  }

  /** Writes the tokens of the best way to a place; the arrays begin there afterwards. */
  private decide(to: number): void {
    const ends: number[] = []
    for (let at = to - this.base; at > 0; at = this.starts[at]!) ends.push(at)
    const { model, tokens, text, base } = this
    for (let i = ends.length - 1; i >= 0;) {
      const from = this.starts[ends[i]!]!
      const piece = this.pieces[ends[i]!]!
      if (piece !== unknown && piece !== model.unk_token_id) {
        tokens.push(model.vocab[piece]!)
        i--
        continue
      }
      // Neighbouring unknown pieces become one token.
      let last = ends[i--]!
      for (; i >= 0 && this.isUnknown(ends[i]!); i--) last = ends[i]!
      this.pushUnknown(text.slice(base + from, base + last))
    }
    this.scores[0] = this.scores[to - this.base]!
    this.starts.fill(-1, 0, to - this.base + 1)
    this.base = to
  }

  private isUnknown(at: number): boolean {
    const piece = this.pieces[at]!
    return piece === unknown || piece === this.model.unk_token_id
  }

  private pushUnknown(text: string): void {
    const { model, tokens } = this
    const { unk_token_id: id } = model
    if (model.config.byte_fallback) {
      const bytes = Array.from(new TextEncoder().encode(text), (byte) => byteToken(byte))
      if (bytes.every((token) => model.tokens_to_ids.has(token))) {
        for (const token of bytes) tokens.push(token)
        return
      }
    }
    const before = tokens.at(-1)
    if (id === undefined || id === null) tokens.push(text.slice(0, 16))
    else if (before !== model.vocab[id]) tokens.push(model.vocab[id]!)
  }
}

/** The token of a single byte, such as `<0x0A>`. */
export const byteToken = (byte: number): string => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`
