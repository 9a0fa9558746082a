import { Child } from './child.js'

const element = (id) => document.getElementById(id)
const say = (message) => (element('status').textContent = message)

try {
  const child = await Child.open('model')
  say('Ready.')
  element('go').disabled = false
  element('form').addEventListener('submit', async (event) => {
    event.preventDefault()
    element('go').disabled = true
    element('text').textContent = ''
    try {
      const start = performance.now()
      let count = 0
      for await (const text of child.generate(element('prompt').value, Number(element('tokens').value))) {
        element('text').textContent = text
        count++
      }
      say(`${count} tokens, ${((count * 1000) / (performance.now() - start)).toFixed(1)} a second.`)
    } catch (error) {
      say(error.message)
    } finally {
      element('go').disabled = false
    }
  })
} catch (error) {
  say(`The model cannot be loaded: ${error.message}`)
}
