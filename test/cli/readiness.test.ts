import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { canMount, mountDisk, unmountDisk } from '../store/small-disk.js'
import { runHere } from './here.js'
import { Place } from './puzzleflow.js'
import { writeTinySearch } from './tiny-search.js'

const mounts = canMount()
test.skipIf(!mounts)(
  `a disk that is too small for a search is told of by plan, and refused by run${mounts ? '' : ' (skipped: this user cannot mount a disk)'}`,
  async () => {
    const place = new Place(await writeTinySearch())
    mkdirSync(place.store)
    mountDisk(place.store, '-o', 'size=64k')
    const needs =
      /has 64 KiB free, but this needs about [\d.]+ \wiB \(prepare [\d.]+ KiB, capture [\d.]+ KiB, distill [\d.]+ KiB, /
    try {
      const planned = await runHere(place, 'plan', 'search.yaml')
      expect(planned.code).toBe(0)
      expect(planned.stdout).toMatch(needs)
      const { code, stderr } = await runHere(place, 'run', 'search.yaml')
      expect(code).toBe(6)
      expect(stderr).toMatch(needs)
      expect(existsSync(join(place.folder, 'runs'))).toBe(false)
    } finally {
      unmountDisk(place.store)
      await place.close()
    }
  },
)
