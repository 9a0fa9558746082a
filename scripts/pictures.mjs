import { writeFileSync } from 'node:fs'
import { indexedPng } from './indexed-png.mjs'

/**
 * Writes pictures one above the other as one file, a line between them. A browser decodes them.
 * @param pieces  PNG files of one width
 */
export async function savePicture(browser, file, pieces) {
  const page = await browser.newPage()
  const { width, height, pixels } = await page.evaluate(
    async (sources) => {
      const images = await Promise.all(
        sources.map(async (source) => createImageBitmap(await (await fetch(source)).blob())),
      )
      const line = 3
      const width = images[0].width
      const canvas = new OffscreenCanvas(
        width,
        images.reduce((sum, { height }) => sum + height + line, -line),
      )
      const context = canvas.getContext('2d')
      context.fillStyle = '#444ce7'
      context.fillRect(0, 0, width, canvas.height)
      let y = 0
      for (const image of images) {
        context.drawImage(image, 0, y)
        y += image.height + line
      }
      const { data } = context.getImageData(0, 0, width, canvas.height)
      let text = ''
      for (let i = 0; i < data.length; i += 32_768) text += String.fromCharCode(...data.subarray(i, i + 32_768))
      return { width, height: canvas.height, pixels: btoa(text) }
    },
    pieces.map((png) => `data:image/png;base64,${png.toString('base64')}`),
  )
  await page.context().close()
  const png = indexedPng(width, height, Buffer.from(pixels, 'base64'))
  writeFileSync(file, png)
  console.error(`${file}: ${width} x ${height}, ${Math.round(png.length / 1000)} kB`)
}
