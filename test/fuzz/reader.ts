import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Choices } from './choices.js'

/** Something that reads what comes from outside. */
export interface Reader {
  readonly name: string
  /** Makes an input. */
  make(choices: Choices): Input
}

export interface Input {
  /** Its size. */
  readonly bytes: number
  /** Reads it. Throws a `Failure` to refuse it; anything else is a crash, `WrongAcceptance` included. */
  readonly read: () => Promise<void> | void
}

/** Thrown by a reader's check of what was accepted. */
export class WrongAcceptance extends Error {}

/** Checks something that holds for all that is accepted. */
export function holds(condition: boolean, what: string): void {
  if (!condition) throw new WrongAcceptance(`accepted, though not so: ${what}`)
}

/** Checks that two readings of an input agree. */
export function agree(one: unknown, other: unknown, what: string): void {
  if (!same(one, other)) throw new WrongAcceptance(`accepted, but readings differ: ${what}`)
}

/** Whether plain data is the same: lists, objects with own keys in any order, numbers with NaN and without signs of 0. */
function same(one: unknown, other: unknown): boolean {
  if (one === other || (one !== one && other !== other)) return true
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false
  if (Array.isArray(one) !== Array.isArray(other)) return false
  const keys = Object.keys(one)
  return (
    keys.length === Object.keys(other).length &&
    keys.every(
      (key) => Object.hasOwn(other, key) && same(one[key as keyof typeof one], other[key as keyof typeof other]),
    )
  )
}

/** A folder in which readers find the files of their inputs. */
export class Files {
  constructor(readonly folder: string) {}

  path = (name: string): string => join(this.folder, name)

  /** Writes a file, in the place of an earlier one of that name. @returns its path and size */
  write(name: string, contents: string | Uint8Array): { readonly path: string; readonly bytes: number } {
    const path = this.path(name)
    mkdirSync(dirname(path), { recursive: true })
    const data = typeof contents === 'string' ? Buffer.from(contents) : contents
    writeFileSync(path, data)
    return { path, bytes: data.byteLength }
  }
}
