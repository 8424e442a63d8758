// The same walk with OpenAI's client for Node: npm install openai, then set OPENAI_BASE_URL and OPENAI_API_KEY.
//   node openai_finetune.mjs training.jsonl smollm2-135m-instruct
import { createReadStream } from "node:fs";
import OpenAI from "openai";

const [path, base] = process.argv.slice(2);
const client = new OpenAI();

const file = await client.files.create({ file: createReadStream(path), purpose: "fine-tune" });
const read = await client.files.waitForProcessing(file.id);
if (read.status === "error") throw new Error(read.status_details);
console.log(`File ${read.id}, ${read.bytes} bytes`);

let job = await client.fineTuning.jobs.create({ model: base, training_file: file.id, suffix: "from-node" });
console.log(`Job ${job.id}`);
const seen = new Set();
while (!["succeeded", "failed", "cancelled"].includes(job.status)) {
  await new Promise((done) => setTimeout(done, 1000));
  const events = await client.fineTuning.jobs.listEvents(job.id, { limit: 100 });
  for (const event of events.data.reverse()) {
    if (!seen.has(event.id)) console.log(event.message);
    seen.add(event.id);
  }
  job = await client.fineTuning.jobs.retrieve(job.id);
}
if (!job.fine_tuned_model) throw new Error(`The job has ${job.status}. ${job.error?.message ?? ""}`);
console.log(`Model ${job.fine_tuned_model}`);

const messages = [];
for (const question of ["What is 15 + 8?", "How did you find that out?"]) {
  messages.push({ role: "user", content: question });
  const stream = await client.chat.completions.create({ model: job.fine_tuned_model, messages, stream: true });
  let said = "";
  for await (const chunk of stream) said += chunk.choices[0]?.delta?.content ?? "";
  messages.push({ role: "assistant", content: said });
  console.log(`Teacher: ${question}\nChild:   ${said}`);
}
