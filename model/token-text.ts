import type { Tokenizer } from './tokenizer.js'

/** Tokens that are decoded again with those that follow. Each is a byte at least, and the last three may be half a
 *  character: so many have `overlap` whole ones. */
const kept = 16
/** UTF-16 units behind which it does not matter where decoding began: by then a space at the start is stripped, and what
 *  is left of a character that was cut, three bytes at most, has passed. */
const overlap = 4

/**
 * Text of tokens that come one by one: the work for each does not grow with the text. What a token's text is can depend on
 * those around it, as bytes of one character or with a space at the start of the text only; so the last tokens are decoded
 * together, and what is new is counted from the end.
 */
export class TokenText {
  private window: number[]
  /** Characters of the window's text that were told, or are the prompt's. */
  private told: number
  /** What a character is for now whose bytes are not all there. */
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

  /** @returns what is new, in whole characters */
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

  /** Forgets all but the last tokens. @param text  of the window */
  private shorten(text: string): void {
    const last = this.window.slice(-kept)
    const told = this.decode(last).length - (text.length - this.told)
    if (told < overlap) return
    this.window = last
    this.told = told
  }
}

/** An incomplete character at the end is one U+FFFD: those before it stay. */
const wholeEnd = (text: string): number => text.length - (text.endsWith('\ufffd') ? 1 : 0)
