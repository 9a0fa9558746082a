import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

const base = mkdtempSync(join(tmpdir(), 'puzzleflow-stores-'))
afterAll(() => rmSync(base, { recursive: true, force: true }))

/** A new, empty folder, which goes when the tests of the file are done. */
export const temporaryFolder = (name = 'folder'): string => mkdtempSync(join(base, `${name}-`))
