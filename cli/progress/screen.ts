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
/** Milliseconds without a further change after which a terminal has the size that somebody gives it. */
const settled = 150

/**
 * Lines at the end of a terminal that are drawn again in the same place; what is logged meanwhile goes above them. The last frame
 * stays.
 */
export class Screen {
  private readonly draw
  private timer: NodeJS.Timeout | undefined
  private lines: readonly string[] = []
  /** Columns and rows of the terminal on which they were drawn. */
  private size: readonly [columns: number, rows: number]
  private readonly resized = () => this.settle()

  /** @param frame  lines that are no wider than the columns, and leave a row free */
  constructor(
    private readonly terminal: Terminal,
    private readonly frame: (columns: number, rows: number) => readonly string[],
  ) {
    this.draw = createLogUpdate(terminal as NodeJS.WriteStream)
    this.size = this.sizeNow
    terminal.on('resize', this.resized)
    writeThrough((text) => this.above(text))
  }

  /** Draws a new frame soon. */
  refresh(): void {
    this.timer ??= setTimeout(() => this.redraw(), pace)
  }

  /** Draws the last frame and leaves it. */
  end(): void {
    this.terminal.off('resize', this.resized)
    this.look()
    this.drawFrame()
    writeThrough()
    this.draw.done()
  }

  private above(text: string): void {
    this.look()
    const isDrawn = this.lines.length > 0
    this.clear()
    this.terminal.write(text)
    if (isDrawn) this.drawFrame()
  }

  private redraw(): void {
    this.timer = undefined
    this.look()
    // Unless it is being changed right now.
    if (this.timer === undefined) this.drawFrame()
  }

  /** The signal of another size may still be on its way: what is drawn before it is heard would be in the wrong place. */
  private look(): void {
    this.terminal._refreshSize?.()
  }

  /** Draws when the size no longer changes: what is on its way to a terminal that is made narrower is broken in ways that nobody
   *  here can know. */
  private settle(): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.redraw(), settled)
  }

  private drawFrame(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    if (this.sizeNow.join() !== this.size.join()) this.clear()
    this.lines = this.frame(...this.size)
    this.draw(this.lines.join('\n'))
  }

  /** Takes away what was drawn. Lines that no longer fit were broken by the terminal, which the library does not know. */
  private clear(): void {
    const [[columns], [before]] = [this.sizeNow, this.size]
    const broken = this.lines.reduce((rows, line) => rows + Math.max(0, Math.ceil(stringWidth(line) / columns) - 1), 0)
    this.draw.clear()
    if (columns < before && broken > 0) this.terminal.write('\u001b[1A\u001b[2K'.repeat(broken))
    this.lines = []
    this.size = this.sizeNow
  }

  private get sizeNow(): readonly [columns: number, rows: number] {
    return [this.terminal.columns || 80, this.terminal.rows || 24]
  }
}
