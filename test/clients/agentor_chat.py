# The client that the page "Streaming" of Agentor's documentation prints under "Built-in Server Streaming", unchanged.
# https://github.com/CelestoAI/agentor, Apache License 2.0.
import requests

url = "http://localhost:8000/chat"
response = requests.post(
    url,
    json={"input": "Tell me a story", "stream": True},
    stream=True
)

for line in response.iter_lines(decode_unicode=True):
    if line:
        print(line, flush=True)
