import type { Tokenizer } from './tokenizer.js'

/** Number of tokens that are decoded again with the next ones. Each is at least one byte, and the last three may be an
 *  incomplete character: 16 tokens contain at least `overlap` complete ones. */
const kept = 16
/** After this many UTF-16 units, it does not matter where decoding began: a leading space has been stripped, and the rest of
 *  a character that was cut, at most three bytes, has passed. */
const overlap = 4

/**
 * Decodes tokens that arrive one by one; the work for each does not grow with the text. The text of a token can depend on its
 * neighbours (they may be bytes of one character, or lose a space at the start of the text). So the last tokens are decoded
 * together, and the new text is what exceeds the known part.
 */
export class TokenText {
  private window: number[]
  /** Number of characters of the window's text that have been returned, or belong to the prompt. */
  private told: number
  /** Text of an incomplete character at the end. */
  rest = ''

  /** @param before  tokens of the prompt */
  constructor(
    private readonly tokenizer: Pick<Tokenizer, 'decode' | 'isSilent'>,
    before: readonly number[],
  ) {
    this.window = before.filter((token) => !tokenizer.isSilent(token))
    const text = this.decode(this.window)
    this.told = wholeEnd(text)
    this.shorten(text)
  }

  /** Adds a token. @returns the new text, in complete characters */
  add(token: number): string {
    if (this.tokenizer.isSilent(token)) return ''
    this.window.push(token)
    const text = this.decode(this.window)
    const news = text.slice(this.told, wholeEnd(text))
    this.told += news.length
    this.rest = text.slice(this.told)
    if (this.window.length >= 2 * kept) this.shorten(text)
    return news
  }

  private decode(tokens: readonly number[]): string {
    return this.tokenizer.decode(tokens, { clean: false })
  }

  /** Forgets all but the last tokens. @param text  the window's text */
  private shorten(text: string): void {
    const last = this.window.slice(-kept)
    const told = this.decode(last).length - (text.length - this.told)
    if (told < overlap) return
    this.window = last
    this.told = told
  }
}

/** Length of the text without an incomplete character at its end, which is a single U+FFFD. */
const wholeEnd = (text: string): number => text.length - (text.endsWith('\ufffd') ? 1 : 0)
