"""
The engine that chaos is made in.
"""

from tests.chaos.engine import Call, Engine
from tests.chaos.ledger import Audit, Ledger
from tests.chaos.plan import QUEUES, plan


def test_a_jump_in_the_middle_of_a_receive_explains_what_it_gives(tmp_path):
    """The receive hides them by the old clock, and the ledger does not know yet that they are in flight."""
    ledger = Ledger(tmp_path / "ledger")
    engine = Engine(ledger)
    messages = [plan(1, f"s{number}") for number in range(3)]
    engine.publish(messages)
    receive = engine.sqs.receive_message

    def jump_meanwhile(**parameters):
        answer = receive(**parameters)
        ledger.write("fault", ["clock_jumps", "*s", "*f"])
        engine.jump(10)
        return answer

    engine.sqs.receive_message = jump_meanwhile
    asked = {"MaxNumberOfMessages": 10, "VisibilityTimeout": 3, "MessageAttributeNames": ["All"]}
    asked["QueueUrl"] = engine.sqs.get_queue_url(QueueName=QUEUES["s"])["QueueUrl"]
    answer = engine.act(Call("ReceiveMessage", "", asked))
    for _ in range(2):
        for message in messages:
            ledger.write("handled", [message.id, "1"])

    assert len(answer.body["Messages"]) == 3
    assert Audit(1).read(ledger.read()).violations == []
    engine.close()
    ledger.close()
