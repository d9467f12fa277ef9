/** Questions for keyboard-interactive: several prompts, several rounds, none that is secret alone. */

import type { KeyboardRound } from '../../src/index.js'

export const rounds: readonly KeyboardRound[] = [
  {
    name: 'Who are you?',
    instructions: 'Two questions – answer both.',
    prompts: [
      { prompt: 'Favourite colour: ', echo: true },
      { prompt: 'Secret number: ', echo: false },
    ],
    answers: ['blau', '42'],
  },
  {
    name: 'One more',
    instructions: '',
    prompts: [{ prompt: 'Token: ', echo: false }],
    answers: ['naïve token'],
  },
]
