import { crc32, deflateSync } from 'node:zlib'

/** A picture with at most 256 colours: of a user interface it is a third as large as one of all colours.
 *  @param rgba  bytes of its pixels, row by row; opaque */
export function indexedPng(width, height, rgba) {
  const { palette, indexOf } = choose(rgba)
  // Each row begins with its filter: none.
  const rows = Buffer.alloc(height * (width + 1))
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) rows[y * (width + 1) + 1 + x] = indexOf(colourAt(rgba, y * width + x))
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, 3, 0, 0, 0], 8)
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('PLTE', Buffer.from(palette.flatMap(channels))),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

const colourAt = (rgba, pixel) => (rgba[4 * pixel] << 16) | (rgba[4 * pixel + 1] << 8) | rgba[4 * pixel + 2]
const channels = (colour) => [colour >> 16, (colour >> 8) & 255, colour & 255]

/** The most frequent colours; any other is the nearest of them. */
function choose(rgba) {
  const counts = new Map()
  for (let pixel = 0; pixel < rgba.length / 4; pixel++) {
    const colour = colourAt(rgba, pixel)
    counts.set(colour, (counts.get(colour) ?? 0) + 1)
  }
  const byCount = [...counts].sort(([, a], [, b]) => b - a).map(([colour]) => colour)
  const palette = byCount.slice(0, 256)
  const indices = new Map(palette.map((colour, index) => [colour, index]))
  const distance = (a, b) => channels(a).reduce((sum, value, i) => sum + (value - channels(b)[i]) ** 2, 0)
  for (const colour of byCount.slice(256)) {
    const nearest = palette.reduce((best, own) => (distance(own, colour) < distance(best, colour) ? own : best))
    indices.set(colour, indices.get(nearest))
  }
  return { palette, indexOf: (colour) => indices.get(colour) }
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)]
  length.writeUInt32BE(data.length)
  check.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, check])
}
