import type { Tokenizer } from './tokenizer.js'

/**
 * Text of tokens that come one by one. What is told is never taken back: a character whose bytes are not all there, and
 * text that may become a stop string, wait.
 */
export class StreamedText {
  private readonly tokens: number[] = []
  private told = 0
  private text = ''
  private ended = false
  /** What the prompt's tokens are as text. */
  private readonly prompt: string

  /** @param before  tokens of the prompt: what the first token's text is can depend on them
   *  @param stops   strings that end the text; they are no part of it */
  constructor(
    private readonly tokenizer: Pick<Tokenizer, 'decode'>,
    private readonly before: readonly number[] = [],
    private readonly stops: readonly string[] = [],
  ) {
    this.prompt = tokenizer.decode(before)
  }

  /** Whether a stop string came. */
  get stopped(): boolean {
    return this.ended
  }

  /** All of the text, up to a stop string. */
  get whole(): string {
    return this.text
  }

  /** @returns what is new and sure */
  add(token: number): string {
    if (this.ended) return ''
    this.tokens.push(token)
    // Decoded anew each time: a character may take several tokens, and a space may belong to the token after it.
    this.text = this.tokenizer.decode([...this.before, ...this.tokens]).slice(this.prompt.length)
    const ends = this.stops.map((stop) => this.text.indexOf(stop)).filter((at) => at >= 0)
    if (ends.length > 0) {
      this.text = this.text.slice(0, Math.min(...ends))
      this.ended = true
      return this.tell(this.text.length)
    }
    return this.tell(this.text.length - this.unsure())
  }

  /** @returns what waited, when no token comes any more */
  end(): string {
    return this.tell(this.text.length)
  }

  /** Characters at the end that later tokens can still change. */
  private unsure(): number {
    const broken = /\ufffd+$/.exec(this.text)?.[0].length ?? 0
    const begun = this.stops.map((stop) => {
      for (let n = Math.min(stop.length - 1, this.text.length); n > 0; n--)
        if (this.text.endsWith(stop.slice(0, n))) return n
      return 0
    })
    return Math.max(broken, ...begun)
  }

  private tell(end: number): string {
    const from = this.told
    this.told = Math.max(from, end)
    return this.text.slice(from, this.told)
  }
}
