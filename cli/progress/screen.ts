import { createLogUpdate } from 'log-update'
import stringWidth from 'string-width'
import { writeThrough } from '../output.js'

/** A terminal to draw on. */
export interface Terminal extends Pick<NodeJS.WriteStream, 'write' | 'columns' | 'rows' | 'on' | 'off'> {
  /** Node's: takes the size that the terminal has now, and emits `resize` if it has changed. */
  readonly _refreshSize?: () => void
}

/** Milliseconds between two frames. */
const pace = 100

/**
 * Lines at the end of a terminal that are drawn again in the same place; what is logged meanwhile goes above them. The last frame
 * stays.
 */
export class Screen {
  private readonly draw
  private timer: NodeJS.Timeout | undefined
  private lines: readonly string[] = []
  private width: number
  private readonly resized = () => this.resize()

  /** @param frame  lines that are no wider than the columns, and leave a row free */
  constructor(
    private readonly terminal: Terminal,
    private readonly frame: (columns: number, rows: number) => readonly string[],
  ) {
    this.draw = createLogUpdate(terminal as NodeJS.WriteStream)
    this.width = this.columns
    terminal.on('resize', this.resized)
    writeThrough((text) => this.above(text))
  }

  /** Draws a new frame soon. */
  refresh(): void {
    this.timer ??= setTimeout(() => this.redraw(), pace)
  }

  /** Draws the last frame and leaves it. */
  end(): void {
    this.redraw()
    this.terminal.off('resize', this.resized)
    writeThrough()
    this.draw.done()
  }

  private above(text: string): void {
    this.look()
    this.draw.clear()
    this.terminal.write(text)
    if (this.lines.length > 0) this.draw(this.lines.join('\n'))
  }

  private redraw(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    this.look()
    this.lines = this.frame(this.columns, this.terminal.rows || 24)
    this.draw(this.lines.join('\n'))
  }

  /** The signal of another size may still be on its way: what is drawn before it is heard would be in the wrong place. */
  private look(): void {
    this.terminal._refreshSize?.()
  }

  /** Lines that no longer fit were broken by the terminal, which the library does not know. */
  private resize(): void {
    const { columns } = this
    const broken = this.lines.reduce((rows, line) => rows + Math.max(0, Math.ceil(stringWidth(line) / columns) - 1), 0)
    this.draw.clear()
    if (columns < this.width && broken > 0) this.terminal.write('\u001b[1A\u001b[2K'.repeat(broken))
    this.width = columns
    this.redraw()
  }

  private get columns(): number {
    return this.terminal.columns || 80
  }
}
