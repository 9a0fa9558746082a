import { typeError, unsupported } from './errors.js'
import { charge } from './meter.js'
import { equal } from './operators.js'
import { Callable, Tuple, Undefined, type Value } from './values.js'

/** A running `for`: its items, and the variable `loop`. */
export class Loop {
  private index = -1
  private after: IteratorResult<Value> | undefined
  private before: Value | undefined
  private item: Value | undefined
  private lastChanged: Tuple | undefined

  /** The variable `loop`. */
  readonly variable: Callable

  constructor(
    private items: Iterator<Value>,
    /** Number of items, if it is known before the end. */
    private known: number | undefined,
    private readonly depth: number,
    recurse: ((over: Value) => Value) | undefined,
  ) {
    const call = (args: readonly Value[]): Value => {
      if (!recurse) throw typeError("The loop must have the 'recursive' marker to be called recursively.")
      if (args.length !== 1) throw typeError('loop() takes one argument')
      return recurse(args[0]!)
    }
    this.variable = new Callable('loop', call, (name) => this.attribute(name), {
      length: () => this.length,
      next: () => {
        throw unsupported('iterating over "loop" itself')
      },
    })
  }

  /** Advances to the next item. */
  next(): IteratorResult<Value> {
    // The variables of a loop's body cost as much as several values.
    charge(8)
    const next = this.peek()
    this.after = undefined
    if (next.done) return next
    this.index++
    this.before = this.item
    this.item = next.value
    return next
  }

  private peek(): IteratorResult<Value> {
    return (this.after ??= this.items.next())
  }

  private get length(): number {
    if (this.known !== undefined) return this.known
    const rest: Value[] = []
    for (let next = this.items.next(); !next.done; next = this.items.next()) rest.push(next.value)
    charge(rest.length)
    this.items = rest[Symbol.iterator]()
    const ahead = this.after && !this.after.done ? 1 : 0
    return (this.known = rest.length + this.index + 1 + ahead)
  }

  private attribute(name: string): Value | undefined {
    switch (name) {
      case 'index':
        return BigInt(this.index + 1)
      case 'index0':
        return BigInt(this.index)
      case 'revindex':
        return BigInt(this.length - this.index)
      case 'revindex0':
        return BigInt(this.length - this.index - 1)
      case 'first':
        return this.index === 0
      case 'last':
        return this.peek().done === true
      case 'length':
        return BigInt(this.length)
      case 'depth':
        return BigInt(this.depth + 1)
      case 'depth0':
        return BigInt(this.depth)
      case 'previtem':
        return this.index === 0 ? new Undefined('there is no previous item') : this.before
      case 'nextitem': {
        const next = this.peek()
        return next.done ? new Undefined('there is no next item') : next.value
      }
      case 'cycle':
        return new Callable(name, (args) => {
          if (args.length === 0) throw typeError('no items for cycling given')
          return args[this.index % args.length]!
        })
      case 'changed':
        return new Callable(name, (args) => {
          const now = new Tuple(args)
          const changed = !this.lastChanged || !equal(this.lastChanged, now)
          this.lastChanged = now
          return changed
        })
      default:
        return undefined
    }
  }
}
