import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('chat', '0003_carry_over_answerers'),
    ]

    operations = [
        migrations.AlterField(
            model_name='reply',
            name='answerer',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='replies', to='chat.answerer'),
        ),
        migrations.RemoveConstraint(
            model_name='chatsession',
            name='chat_has_one_model',
        ),
        migrations.RemoveConstraint(
            model_name='reply',
            name='reply_target_once',
        ),
        migrations.AlterModelOptions(
            name='reply',
            options={'ordering': ['answerer__position', 'take'], 'verbose_name': 'reply', 'verbose_name_plural': 'replies'},
        ),
        migrations.RemoveField(
            model_name='chatsession',
            name='base_model',
        ),
        migrations.RemoveField(
            model_name='chatsession',
            name='is_compared',
        ),
        migrations.RemoveField(
            model_name='chatsession',
            name='job',
        ),
        migrations.RemoveField(
            model_name='reply',
            name='target',
        ),
        migrations.AddConstraint(
            model_name='reply',
            constraint=models.UniqueConstraint(fields=('message', 'answerer', 'take'), name='reply_take_once'),
        ),
        migrations.AddConstraint(
            model_name='reply',
            constraint=models.UniqueConstraint(condition=models.Q(('is_chosen', True)), fields=('message', 'answerer'), name='reply_chosen_once'),
        ),
        migrations.AddConstraint(
            model_name='answerer',
            constraint=models.UniqueConstraint(fields=('session', 'position'), name='answerer_position_once'),
        ),
        migrations.AddConstraint(
            model_name='answerer',
            constraint=models.CheckConstraint(condition=models.Q(('kind', 'tuned'), ('job__isnull', True), _connector='OR'), name='answerer_base_has_no_job'),
        ),
    ]
