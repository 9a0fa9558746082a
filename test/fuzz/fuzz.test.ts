import { expect, test } from 'vitest'
import { temporaryFolder } from '../temporary-folder.js'
import { fuzz } from './fuzz.js'
import { readersIn } from './readers.js'

/** `npm run fuzz` gives far more. */
const short = { seed: 1, inputs: 300, milliseconds: 500 }

test.each((await readersIn(temporaryFolder())).map((reader) => [reader.name, reader] as const))(
  '%s: what strangers may have written is read or refused, with a message that can be read',
  async (_, reader) => {
    const { inputs, accepted, refused, crashes } = await fuzz(reader, short)
    expect(crashes).toEqual([])
    expect(accepted + refused).toBe(inputs)
    // The inputs are neither all right nor all rubbish.
    expect(inputs < 20 || (accepted > 0 && refused > 0)).toBe(true)
  },
)
