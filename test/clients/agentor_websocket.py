# The client that the page "Streaming" of Agentor's documentation prints under "WebSocket Streaming", unchanged.
# https://github.com/CelestoAI/agentor, Apache License 2.0.
import asyncio
import websockets
import json

async def chat():
    uri = "ws://localhost:8000/ws"
    async with websockets.connect(uri) as websocket:
        # Send message
        await websocket.send(json.dumps({"text": "Hello!"}))
        
        # Receive stream
        async for message in websocket:
            event = json.loads(message)
            if event.get("message"):
                print(event["message"])

asyncio.run(chat())
