import { expect, it } from 'vitest';
import { Answers } from './children.js';

it('what a child said before a test asked for it is kept, and told once', async () => {
  const answers = new Answers(() => {});
  answers.hear({ id: 'creating', answer: 1 });
  answers.hear({ id: 'creating', answer: 2 });
  expect(await answers.on('creating')).toMatchObject({ answer: 1 });
  expect(await answers.on('creating')).toMatchObject({ answer: 2 });
  const asked = answers.on('creating');
  answers.hear({ id: 'creating', answer: 3 });
  expect(await asked).toMatchObject({ answer: 3 });
});
