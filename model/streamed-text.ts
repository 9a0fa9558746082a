import { cleanCut, cleanUp } from './clean-up.js'
import { TokenText } from './token-text.js'
import type { Tokenizer } from './tokenizer.js'

/**
 * Decodes tokens that arrive one by one. Text that has been returned is final: incomplete characters, spaces that may still be
 * cleaned up, and text that may turn into a stop string are held back.
 */
export class StreamedText {
  private readonly tokens: TokenText
  private readonly told: string[] = []
  /** Text before it is cleaned up, which depends on what follows. */
  private raw = ''
  /** Text that may become a stop string. */
  private waiting = ''
  /** Text of the remaining bytes if no more tokens follow. */
  private rest = ''
  private ended = false

  /** @param before  tokens of the prompt, on which the first token's text can depend
   *  @param stops   strings that end the text and are not part of it */
  constructor(
    private readonly tokenizer: Pick<Tokenizer, 'decode' | 'isSilent' | 'cleansUp'>,
    before: readonly number[] = [],
    private readonly stops: readonly string[] = [],
  ) {
    this.tokens = new TokenText(tokenizer, before)
  }

  /** Whether a stop string has occurred. */
  get stopped(): boolean {
    return this.ended
  }

  /** The whole text, up to a stop string. */
  get whole(): string {
    return this.told.join('') + this.waiting + this.rest
  }

  /** Adds a token. @returns the new final text */
  add(token: number): string {
    if (this.ended) return ''
    this.raw += this.tokens.add(token)
    const clean = this.tokenizer.cleansUp ? cleanUp : (text: string) => text
    const cut = this.tokenizer.cleansUp ? cleanCut(this.raw) : this.raw.length
    this.waiting += clean(this.raw.slice(0, cut))
    this.raw = this.raw.slice(cut)
    this.rest = clean(this.raw + this.tokens.rest)
    const open = this.waiting + this.rest
    const ends = this.stops.map((stop) => open.indexOf(stop)).filter((at) => at >= 0)
    if (ends.length === 0) return this.tell(this.waiting.length - this.begun())
    this.ended = true
    this.rest = ''
    this.waiting = open.slice(0, Math.min(...ends))
    return this.tell(this.waiting.length)
  }

  /** Ends the text. @returns what was held back */
  end(): string {
    this.waiting += this.rest
    this.rest = ''
    return this.tell(this.waiting.length)
  }

  /** Number of characters at the end that may begin a stop string. */
  private begun(): number {
    const all = this.stops.map((stop) => {
      for (let n = Math.min(stop.length - 1, this.waiting.length); n > 0; n--)
        if (this.waiting.endsWith(stop.slice(0, n))) return n
      return 0
    })
    return Math.max(0, ...all)
  }

  private tell(end: number): string {
    const text = this.waiting.slice(0, end)
    this.waiting = this.waiting.slice(end)
    this.told.push(text)
    return text
  }
}
